/** Aimed schedules about two voters and a forced promotion (L12); see plots/table.ts. */
import type { SeededRandom } from '../random.ts';
import { forGood, type Plot, plotOf, type Role, type Wanted } from './plot.ts';

const pair = (): Role[] =>
  [0, 1].map((i): Role => ({ letter: 'v', timing: 'shipped', powerAt: 40 * i }));

/**
 * Two lists of one. pi2 leaves in order, so that pi1 is its own majority; pi1 dies as pi2 comes
 * back, and pi2 is promoted by force. Then both start at about the same time: whoever of them tells
 * its record during its silence keeps the other from winning on its own.
 */
export function twoLists(random: SeededRandom): Plot {
  const leaves = random.between(14_000, 15_000);
  const dies = leaves + random.between(6000, 9000);
  const back = dies + random.between(18_000, 20_000);
  const off = random.between(400, 1500);
  const wanted: Wanted[] = [
    { kind: 'shutdown', machine: 1, at: leaves, duration: random.between(1500, 2500) },
    { kind: 'promote', machine: 0, at: dies, duration: back - dies },
    { kind: 'power_cut', machine: 1, at: back - random.between(0, off), duration: off },
  ];
  return plotOf(pair(), wanted, { length: 60_000, pace: 1 });
}

/** pi1 dies for good, and /run of pi2 is full when the wait before its forced promotion ends. */
export function fullAtTheWaitsEnd(random: SeededRandom): Plot {
  const dies = random.between(13_000, 16_000);
  const wanted: Wanted[] = [
    { kind: 'promote', machine: 0, at: dies, duration: forGood },
    { kind: 'run_full', machine: 1, at: dies + random.between(100, 3000), duration: 8000 },
  ];
  return plotOf(pair(), wanted, { length: 60_000, pace: 1 });
}
