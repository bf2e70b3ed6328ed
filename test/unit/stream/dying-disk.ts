/**
 * A machine whose power is cut at its Nth step on the disk: that step and everything after it
 * fails without having been done, the clean-up of the code under test included.
 *
 * Steps are the calls to node:fs that change something or sync it; SQLite's own are not counted.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const STEPS = ['renameSync', 'rmSync', 'mkdirSync', 'writeFileSync', 'fsyncSync', 'copyFileSync'];

type AnyFunction = (...given: unknown[]) => unknown;

/** Runs `work` with the cut at step `at` (1 is the first); true when it came so far. */
export async function withPowerCut(
  at: number,
  work: () => Promise<unknown> | unknown,
): Promise<boolean> {
  const table = fs as unknown as Record<string, AnyFunction>;
  const real = new Map(STEPS.map((name) => [name, table[name] as AnyFunction]));
  let steps = 0;
  for (const [name, call] of real) {
    table[name] = (...given) => {
      steps++;
      if (steps >= at) throw new TypeError(`the power is off (${name})`);
      return call(...given);
    };
  }
  syncBuiltinESMExports();
  try {
    await work();
  } catch (error) {
    if (steps < at) throw error;
  } finally {
    for (const [name, call] of real) table[name] = call;
    syncBuiltinESMExports();
  }
  return steps >= at;
}
