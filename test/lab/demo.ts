/**
 * `npm run demo`: a cluster of real daemons on loopback loses its master in every way there is, and
 * gets it back, before your eyes. Judged from outside: probes, the writer's ledger, access logs.
 *
 * Exit status: 0 when nothing was lost and there were never two servers, 1 when not, 2 when the
 * call or the machine is wrong. The other bars decide "ok" in the result. Ctrl-C takes everything
 * away. What it does not show: lost power under a disk's cache, pulled cables, real pods; the
 * machine lab does.
 */

import { runCommand } from './command.ts';
import { DEMO_USAGE, type DemoOptions, readDemoOptions } from './demo-options.ts';
import { faultTable } from './fault-table.ts';
import { killAgainAndAgain } from './kills.ts';
import { describeOverlap } from './overlap.ts';
import { PROBE_PERIOD_MS } from './probes.ts';
import { isSafe, makeResult, publishResult } from './result-file.ts';
import { agentFreezes, allDie, coordinatorDies, type FreezeVerdict, firstStart } from './scenes.ts';
import { type Stage, setStage } from './stage.ts';
import { makeTimeline, type Timeline } from './timeline.ts';
import { type DaemonUse, IDLE_MS, measureUse } from './use.ts';
import { faultFigures, hasGapBars, isTooBusy, useFigures } from './verdict.ts';

interface Outcome {
  readonly freeze: FreezeVerdict;
  readonly use: DaemonUse;
}

const play = async (stage: Stage, options: DemoOptions): Promise<Outcome> => {
  const { timeline } = stage;
  timeline.scene('1 of 6: first start and election');
  await firstStart(stage);
  timeline.scene('2 of 6: the master is killed, and returns');
  await killAgainAndAgain(stage, options.kills);
  timeline.scene('3 of 6: a coordinator is killed');
  await coordinatorDies(stage);
  timeline.scene('4 of 6: the master’s agent is frozen');
  const freeze = await agentFreezes(stage);
  timeline.scene('5 of 6: all nodes are killed');
  await allDie(stage);
  timeline.scene('6 of 6: what it costs to be ready');
  timeline.tell('plain', `${IDLE_MS / 1000} seconds without a write`);
  const use = await measureUse(stage);
  stage.beforeFault(); // A change of master since the last fault is an unwanted one.
  await stage.workload.pause();
  return { freeze, use };
};

interface Verdict {
  /** Every bar was reached. */
  readonly ok: boolean;
  /** Nothing was lost, never two servers, and the freeze ended as it must. */
  readonly safe: boolean;
}

/** Prints rows, explanations and figures; writes the file. */
const conclude = (stage: Stage, outcome: Outcome, options: DemoOptions, began: Date): Verdict => {
  const { freeze, use } = outcome;
  const { timeline, workload, cluster } = stage;
  const overlaps = stage.overlaps();
  timeline.print('');
  for (const line of faultTable(stage.rows)) timeline.print(line);
  timeline.print(
    'seconds after the fault; lost: acknowledged earlier than 250 ms before it + later',
  );
  if (freeze.row.lostRecent > 0) {
    timeline.print(
      `the freeze: ${freeze.row.lostRecent} writes went to the cut-off server before its end. ` +
        `They are on the disk of ${freeze.row.node}, which reports them; baton never merges them.`,
    );
  }
  if (isTooBusy(use)) {
    const share = Math.round(use.machineBusy * 100);
    timeline.print(
      `this machine was ${share} % busy with other work: its idle figure is measured without a bar`,
    );
  }
  for (const overlap of overlaps) timeline.print(`TWO SERVERS: ${describeOverlap(overlap)}`);
  const gapBars = hasGapBars(options.k3s, options.kills);
  const facts = {
    rows: stage.rows,
    acknowledged: workload.ledger.acknowledged,
    twoServers: overlaps.length,
    unwantedFailovers: stage.unwantedFailovers,
  };
  const conditions = [freeze.deadManInTime, !freeze.servedAfterThaw, freeze.loneReported];
  const result = makeResult({
    command: options.command,
    k3s: cluster.controlPlane.version,
    startedAt: began,
    figures: [...faultFigures(facts, gapBars), ...useFigures(use)],
    conditions,
  });
  timeline.print('');
  publishResult(result, { json: options.json, print: timeline.print });
  return { ok: result.ok, safe: isSafe(result.figures) && conditions.every(Boolean) };
};

const perform = async (
  options: DemoOptions,
  timeline: Timeline,
  signal: AbortSignal,
  began: Date,
): Promise<Verdict> => {
  const stage = await setStage({
    ...options,
    timeline,
    signal,
    log: timeline.print,
  });
  try {
    const { controlPlane, folder, nodes } = stage.cluster;
    const where = nodes.map(({ name, place }) => `${name} ${place.address}`).join(', ');
    timeline.print(
      `baton loses its master in every way there is: ${nodes.length} nodes, ${options.rate} ` +
        `writes per second, every API probed each ${PROBE_PERIOD_MS} ms`,
    );
    timeline.print(`control plane: ${controlPlane.version} (${controlPlane.name})`);
    timeline.print(
      `${where}; folders and logs in ${folder}${options.keep ? '' : ' until the end'}`,
    );
    return conclude(stage, await play(stage, options), options, began);
  } finally {
    await stage.close();
    if (options.keep) timeline.print(`kept: ${stage.cluster.folder}`);
  }
};

const main = async (signal: AbortSignal): Promise<number> => {
  const options = readDemoOptions(process.argv.slice(2), process.env);
  if (options === null) {
    console.log(DEMO_USAGE);
    return 0;
  }
  const began = new Date();
  const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const timeline = makeTimeline((line) => console.log(line), { colour, startMs: began.getTime() });
  const { ok, safe } = await perform(options, timeline, signal, began);
  const seconds = ((Date.now() - began.getTime()) / 1000).toFixed(0);
  const safety = safe ? 'nothing lost, never two servers' : 'NOT SAFE';
  const bars = ok ? 'all bars reached' : 'NOT all bars reached';
  timeline.print(`${safety}; ${bars} in ${seconds} s`);
  return safe ? 0 : 1;
};

await runCommand(main);
