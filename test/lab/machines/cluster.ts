/**
 * One cluster's process: a bridge and a mount table of its own, and the cases that inside.ts sends.
 * Several of them run side by side without seeing each other.
 *
 *   node cluster.ts PLAN NUMBER        (over the channel of child_process)
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { cases } from './cases.ts';
import { labProblem, run } from './host.ts';
import { network } from './network.ts';
import type { FromCluster, Plan, Task, ToCluster } from './plan.ts';
import { Player } from './player.ts';

const say = (message: FromCluster): void => void process.send?.(message);

/** The next task; null when there is none. Without inside.ts the kernel ends this process too. */
const nextTask = (): Promise<Task | null> =>
  new Promise((resolve) => {
    process.once('message', (message) => resolve((message as ToCluster).task));
  });

const control = new AbortController();

const main = async (): Promise<void> => {
  const [planFile = '', number = '1'] = process.argv.slice(2);
  const plan = JSON.parse(readFileSync(planFile, 'utf8')) as Plan;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => control.abort(new Error(`ended by ${signal}`)));
  }
  network.make();
  // systemd-nspawn wants its locks in memory.
  mkdirSync('/run/systemd/nspawn', { recursive: true });
  run('mount', ['-t', 'tmpfs', 'tmpfs', '/run/systemd/nspawn']);
  const player = new Player(plan, Number(number), control.signal);
  try {
    say({ verdict: null });
    for (let task = await nextTask(); task !== null; task = await nextTask()) {
      const { name } = task;
      const one = cases.find((each) => each.name === name);
      if (one === undefined) throw labProblem(`there is no case "${name}"`);
      say({ verdict: await player.play(task, one) });
    }
    const late = await player.end();
    if (late !== null) {
      say({ verdict: late, last: true });
      await nextTask(); // Who ends with words on the way may take them along.
    }
  } finally {
    await player.close();
  }
};

try {
  await main();
  process.exit(0);
} catch (error) {
  const told = error instanceof Error ? error.message : String(error);
  if (!control.signal.aborted) console.error(`error: ${told}`);
  process.exit(1);
}
