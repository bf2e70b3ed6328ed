/**
 * `npm run bench -- failover|replication`: the project's two measurements of behaviour, on real
 * daemons and, unless told otherwise, the real control plane. The lab's driver does the work; here
 * it is put together, printed and written.
 *
 * Exit status: 0 when every bar is reached, 1 when not, 2 when the call or the machine is wrong.
 */
import { availableParallelism, loadavg } from 'node:os';
import { runCommand } from '../lab/command.ts';
import { faultTable } from '../lab/fault-table.ts';
import { runKills } from '../lab/kills.ts';
import { type Figure, makeResult, publishResult } from '../lab/result-file.ts';
import type { StageOptions } from '../lab/stage.ts';
import { makeTimeline } from '../lab/timeline.ts';
import { BENCH_USAGE, type BenchOptions, readBenchOptions, underItsBars } from './options.ts';
import { benchReplication } from './replication.ts';
import { type ProcessorTime, processorTimeNow, stolenShare } from './stolen.ts';

/** Not the demo's addresses: both may run at once. */
const SUBNET = '127.0.7';

interface Measured {
  readonly k3s: string;
  readonly figures: readonly Figure[];
  readonly complete: boolean;
}

const benchFailover = async (options: StageOptions & { kills: number }): Promise<Measured> => {
  const { k3s, rows, figures } = await runKills(options);
  for (const line of faultTable(rows)) options.timeline.print(line);
  options.timeline.print('seconds after the kill; lost: acknowledged earlier than 250 ms + later');
  const kills = rows.filter(({ fault }) => fault === 'master killed').length;
  return { k3s, figures, complete: kills === options.kills };
};

/** Whoever reads a missed bar must see whether the machine had other things to do. */
const machineLine = (before: ProcessorTime | null): string => {
  const [load = 0] = loadavg();
  const now = processorTimeNow();
  const machine = `machine: ${availableParallelism()} cores`;
  const line = `${machine}, load ${load.toFixed(1)} in the last minute`;
  if (before === null || now === null) return line;
  const percent = (100 * stolenShare(before, now)).toFixed(0);
  return `${line}, ${percent} % of its time went to others on the host`;
};

const perform = async (options: BenchOptions, signal: AbortSignal): Promise<boolean> => {
  const startedAt = new Date();
  const before = processorTimeNow();
  const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const print = (line: string): void => console.log(line);
  const timeline = makeTimeline(print, { colour, startMs: startedAt.getTime() });
  const stage = { ...options, timeline, subnet: SUBNET, signal, log: print };
  const measured =
    options.bench === 'failover' ? await benchFailover(stage) : await benchReplication(stage);
  const { k3s, figures, complete } = measured;
  const result = makeResult({
    command: options.command,
    k3s,
    startedAt,
    figures: underItsBars(figures, options),
    conditions: [complete],
  });
  print('');
  print(machineLine(before));
  publishResult(result, { json: options.json, print });
  if (!complete) print('NOT OK: not everything that was meant to be measured was');
  return result.ok;
};

const main = async (signal: AbortSignal): Promise<number> => {
  const options = readBenchOptions(process.argv.slice(2), process.env);
  if (options === null) {
    console.log(BENCH_USAGE);
    return 0;
  }
  return (await perform(options, signal)) ? 0 : 1;
};

await runCommand(main);
