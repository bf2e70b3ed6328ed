/** Aimed schedules about machines that serving itself overloads; see plots/table.ts. */
import type { SeededRandom } from '../random.ts';
import { forGood, type Plot, plotOf, type Role, type Wanted } from './plot.ts';

/** pi1 cannot carry its server, and is the only one that may have one. */
export function overloadedAlone(random: SeededRandom): Plot {
  const roles = (['v', 'w', 'w'] as const).map(
    (letter, i): Role => ({ letter, timing: random.pick(['tight', 'short']), powerAt: 40 * i }),
  );
  const wanted: Wanted[] = [
    { kind: 'overload', machine: 0, at: random.between(4000, 12_000), duration: forGood },
  ];
  return plotOf(roles, wanted, { length: 60_000, pace: random.between(0.1, 1) });
}
