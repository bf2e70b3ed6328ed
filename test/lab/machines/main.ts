/**
 * `npm run lab -- --machines`: machines with the units that ship lose their power, hang, are cut
 * off, and an observer on their bridge watches whether two of them ever serve. Needs root.
 *
 * This process makes what the machines run, and cleans up. The lab itself (inside.ts) runs in
 * namespaces of its own for network, mounts and processes, so that its end, however it comes, takes
 * every machine, mount and bridge along; control groups and folders are removed here, those of runs
 * that were killed at the next start.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runCommand } from '../command.ts';
import { makeResult, publishResult } from '../result-file.ts';
import { baseTree } from './base-tree.ts';
import { buildLayer } from './build.ts';
import { groupName, removeGroups, staleRuns } from './control-group.ts';
import { type MachineLabOptions, readMachineLabOptions } from './options.ts';
import { type Plan, verdictsIn } from './plan.ts';
import { obstacles } from './preflight.ts';
import { caseTable, closingLine, machineFigures } from './verdict.ts';

/** The lab ends its machines within this time of a signal; then it is killed. */
const END_LIMIT_MS = 15_000;

const folderOf = (run: string): string => join(tmpdir(), groupName(run));

/** What killed runs have left: their processes died with them. */
const cleanStale = (): void => {
  for (const run of staleRuns()) {
    removeGroups(run);
    rmSync(folderOf(run), { recursive: true, force: true });
  }
};

/** Runs inside.ts in its namespaces. Resolves with its exit status. */
const runInside = (planFile: string, stop: AbortSignal): Promise<number> =>
  new Promise((resolve, reject) => {
    const inside = join(import.meta.dirname, 'inside.ts');
    const child = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', '--'],
        ...['unshare', '--mount', '--propagation', 'private', '--net', '--ipc', '--pid', '--fork'],
        ...['--kill-child=KILL', '--mount-proc', '--'],
        ...[process.execPath, inside, planFile],
      ],
      // A group of its own: a Ctrl-C in the terminal is for this process, which passes it on.
      { stdio: 'inherit', detached: true },
    );
    stop.addEventListener('abort', () => {
      // unshare waits for its child and passes no signal on; the group reaches both.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), END_LIMIT_MS).unref();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });

const play = async (
  options: MachineLabOptions,
  run: string,
  stop: AbortSignal,
): Promise<boolean> => {
  const began = new Date();
  const folder = folderOf(run);
  mkdirSync(folder);
  const failures = join(tmpdir(), `baton-lab-failed-${run}`);
  const verdicts = resolve(options.resume ?? join(folder, 'verdicts.jsonl'));
  const base = await baseTree(console.log);
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
  const planned = options.cases.length + options.rounds;
  const result = makeResult({
    command: options.command,
    k3s: controlPlane.version,
    startedAt: began,
    figures: machineFigures(all, planned, controlPlane.name !== 'embedded'),
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
  cleanStale();
  const run = `${process.pid}-${randomBytes(3).toString('hex')}`;
  try {
    return (await play(options, run, stop)) ? 0 : 1;
  } finally {
    removeGroups(run);
    if (!options.keep) rmSync(folderOf(run), { recursive: true, force: true });
  }
};

await runCommand(main);
