/**
 * The first process of the lab's own process namespace: hands the cases to the clusters and writes
 * what came of each. Started by main.ts with the path of a plan; when this process ends, in
 * whatever way, the kernel ends every cluster, machine and mount with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cases } from './cases.ts';
import { labProblem, loadPerCore } from './host.ts';
import { type FromCluster, type Plan, type Task, tasksOf, verdictsIn } from './plan.ts';
import { TaskQueue } from './task-queue.ts';

/** Starts a cluster's process in a network and a mount table of its own. */
const startCluster = (planFile: string, number: number): ChildProcess =>
  spawn(
    'unshare',
    [
      ...['--mount', '--propagation', 'private', '--net', '--ipc', '--'],
      ...[process.execPath, join(import.meta.dirname, 'cluster.ts'), planFile, String(number)],
    ],
    // unshare becomes that process, so the channel is its own.
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
  );

/** Feeds one cluster until nothing is left. Errors: `process-failed` when it ends before. */
const serve = (child: ChildProcess, plan: Plan, queue: TaskQueue): Promise<void> =>
  new Promise((resolve, reject) => {
    let under: Task | null = null;
    child.on('message', async (message) => {
      const { verdict, last } = message as FromCluster;
      const counts = verdict !== null && (under === null || queue.ended(under, verdict));
      if (counts) appendFileSync(plan.verdicts, `${JSON.stringify(verdict)}\n`);
      under = last === true ? null : await queue.next();
      if (child.connected) child.send({ task: under });
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0 && under === null) resolve();
      else reject(labProblem(`a cluster ended during ${under?.label ?? 'nothing'} (${code})`));
    });
  });

let signalled = false;

const main = async (): Promise<void> => {
  const planFile = process.argv[2] ?? '';
  const plan = JSON.parse(readFileSync(planFile, 'utf8')) as Plan;
  // The clusters get the signal too, end their machines and then themselves.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signalled = true;
    });
  }
  const left = tasksOf(plan.options, cases, verdictsIn(plan.verdicts));
  const queue = new TaskQueue(left, loadPerCore);
  const count = Math.min(plan.options.clusters, left.length);
  const children = Array.from({ length: count }, (_, index) => startCluster(planFile, index + 1));
  const ends = await Promise.allSettled(children.map((child) => serve(child, plan, queue)));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
};

try {
  await main();
  process.exit(0);
} catch (error) {
  // Clusters that were asked to end have not failed.
  if (!signalled) console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
