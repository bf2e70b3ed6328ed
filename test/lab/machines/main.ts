/**
 * `npm run lab`: machines with the units that ship lose their power, hang, are cut
 * off, and an observer on their bridge watches whether two of them ever serve. Needs root.
 *
 * This process makes what the machines run, and cleans up. The lab itself (inside.ts) runs in
 * namespaces of its own for network, mounts and processes, so that its end, however it comes, takes
 * every machine, mount and bridge along; control groups and folders are removed here, those of runs
 * that were killed at the next start.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runCommand } from '../command.ts';
import { makeResult, publishResult } from '../result-file.ts';
import { baseTree } from './base-tree.ts';
import { buildLayer } from './build.ts';
import { cases } from './cases.ts';
import { cleanRun, cleanStale, makeFolder } from './leftovers.ts';
import { runInside } from './namespaces.ts';
import { type MachineLabOptions, readMachineLabOptions } from './options.ts';
import { type Plan, tasksOf, verdictsIn } from './plan.ts';
import { obstacles } from './preflight.ts';
import { seriesTable } from './series.ts';
import { caseRows, caseTable, closingLine, machineFigures } from './verdict.ts';

const play = async (
  options: MachineLabOptions,
  run: string,
  stop: AbortSignal,
): Promise<boolean> => {
  const began = new Date();
  const folder = makeFolder(run, options.keep);
  const failures = join(tmpdir(), `baton-lab-failed-${run}`);
  const verdicts = resolve(options.resume ?? join(folder, 'verdicts.jsonl'));
  tasksOf(options, cases, verdictsIn(verdicts)); // Says at once when the series is another one.
  const base = await baseTree(console.log, stop);
  stop.throwIfAborted();
  const { lower, controlPlane } = await buildLayer(folder, base, options.k3s, console.log);
  const beganMs = began.getTime();
  const plan: Plan = { run, folder, lower, options, beganMs, verdicts, failures };
  const planFile = join(folder, 'plan.json');
  writeFileSync(planFile, JSON.stringify(plan));
  console.log(`control plane: ${controlPlane.version} (${controlPlane.name}); folder ${folder}`);
  if (options.rounds > 0) console.log(`rounds: ${options.rounds}, --seed ${options.seed}`);
  const status = await runInside(planFile, stop);
  stop.throwIfAborted();
  const all = verdictsIn(verdicts);
  for (const line of caseTable(all)) console.log(line);
  if (options.resume !== undefined) for (const line of seriesTable(all)) console.log(line);
  const planned = options.cases.length + options.rounds;
  const result = makeResult({
    command: options.command,
    k3s: controlPlane.version,
    startedAt: began,
    figures: machineFigures(all, planned, controlPlane.name !== 'embedded'),
    casesPlayed: caseRows(all),
    conditions: [status === 0],
  });
  publishResult(result, { json: options.json });
  console.log(closingLine(all, planned));
  return result.ok;
};

const main = async (stop: AbortSignal): Promise<number> => {
  const seed = randomBytes(4).readUInt32BE();
  const options = readMachineLabOptions(process.argv.slice(2), process.env, seed);
  if (typeof options === 'string') {
    console.log(options);
    return 0;
  }
  const inTheWay = obstacles();
  if (inTheWay.length > 0) {
    for (const line of inTheWay) console.error(`error: ${line}`);
    return 2;
  }
  await cleanStale();
  const run = `${process.pid}-${randomBytes(3).toString('hex')}`;
  try {
    return (await play(options, run, stop)) ? 0 : 1;
  } finally {
    await cleanRun(run);
  }
};

await runCommand(main);
