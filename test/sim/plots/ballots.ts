/** Aimed schedules about old ballots, old rounds and late Promises; see plots/table.ts. */
import type { SeededRandom } from '../random.ts';
import { apart, forGood, keep, mask, type Plot, plotOf, type Role, type Wanted } from './plot.ts';

const [first, second, voter, other, asker] = [0, 1, 2, 3, 4];

/**
 * An old ballot meets new lists. pi5 asks pi3 and pi4 under the first list, its proposals are held
 * up. Meanwhile pi1 wins with pi2 and pi3, takes pi4 and pi5 off the list and hands over to pi2,
 * which pi3 cannot hear. Then the proposal arrives. pi3 knows of the new lists; whatever lets it
 * accept makes two masters: no promise needed (L6), or a promise of another start (L5).
 */
export function oldBallot(random: SeededRandom): Plot {
  const restarts = random.chance(0.5);
  const power = random.between(700, 1400);
  const until = random.between(11_000, 12_200);
  const wanted = [
    // An attempt that fails makes its next epoch higher than those of the others.
    { kind: 'crash', trigger: 'propose', by: asker, machine: asker, duration: 50 } as const,
    keep('hold', 'propose', asker, voter, { until }),
    keep('hold', 'propose', asker, other, { until }),
    ...listsChange({ moveAt: random.between(9300, 10_300), cutFrom: 9000 }),
    keep('hold', 'promise', voter, asker, { from: 5000, until: 35_000 }),
  ];
  if (restarts) {
    const at = random.between(1900, 2300);
    wanted.push({ kind: 'power_cut', machine: voter, at, duration: random.between(50, 300) });
  }
  if (restarts || random.chance(0.5)) {
    wanted.push(keep('echo', 'prepare', asker, voter, { until: until - random.between(20, 300) }));
  }
  const roles: Role[] = [
    { letter: 'v', timing: 'hasty', powerAt: power },
    { letter: 'v', timing: 'hasty', powerAt: power + random.between(0, 20) },
    { letter: 'w', timing: 'hasty', powerAt: 0 },
    { letter: 'w', timing: 'hasty', powerAt: 0 },
    { letter: 'v', timing: 'patient', powerAt: 0 },
  ];
  return plotOf(roles, wanted, { length: 13_000 });
}

/** pi1 and pi2 reach pi3 only, retire the others, and move; pi3 hears the Release and no more. */
const listsChange = (of: { moveAt: number; cutFrom: number }): Wanted[] => [
  ...[first, second].flatMap((machine) => [apart(machine, other), apart(machine, asker)]),
  { kind: 'move', role: 'master', at: of.moveAt, strength: 0 },
  {
    kind: 'partition',
    trigger: 'release',
    armedFrom: of.cutFrom,
    sides: mask(first, second),
    duration: forGood,
  },
];

/**
 * The same with settings that keep every rule between them: the asker is stopped with the promises
 * in its sockets, and proposes when it goes on.
 */
export function stoppedAsker(random: SeededRandom): Plot {
  const power = random.between(4400, 5000);
  const thaw = random.between(24_000, 26_000);
  const wanted: Wanted[] = [
    { kind: 'crash', trigger: 'propose', by: asker, machine: asker, duration: 50 },
    {
      kind: 'freeze_agent',
      after: 0,
      trigger: 'prepare',
      by: asker,
      machine: asker,
      duration: thaw - 8200,
    },
    keep('hold', 'propose', asker, voter, { until: 9500 }),
    keep('hold', 'propose', asker, other, { until: 9500 }),
    ...listsChange({ moveAt: random.between(20_500, 22_500), cutFrom: 20_000 }),
    keep('echo', 'prepare', asker, voter, { until: thaw - random.between(50, 1000) }),
    keep('hold', 'promise', voter, asker, { from: 10_000, until: 40_000 }),
  ];
  const letters = ['v', 'v', 'w', 'w', 'v'] as const;
  const roles = letters.map((letter, i): Role => {
    const powerAt = i < voter ? power + random.between(0, 20) : 0;
    return { letter, timing: 'short', powerAt };
  });
  return plotOf(roles, wanted, { length: 28_000 });
}

/**
 * An old ballot of the same list. pi3's proposal is held up, meanwhile pi1 wins with pi2 under the
 * epoch that pi3 proposes, and gives it back. Then pi2 is asked once more under the old ballot.
 * `restarts`: pi2 has booted in between, and its promise is of another start (L5, L6); `late`: its
 * new Promise names the newer epoch (L4); `lost`: that Promise does not arrive (L6 alone).
 */
export function oldEpoch(random: SeededRandom): Plot {
  const [lender, lent, waiter] = [0, 1, 2];
  const how = random.pick(['restarts', 'late', 'lost'] as const);
  const power = random.between(700, 1400);
  const until = random.between(10_800, 12_200);
  const wanted: Wanted[] = [
    keep('hold', 'propose', waiter, lent, { until }),
    apart(lender, waiter),
    { kind: 'shutdown', machine: lender, at: random.between(6500, 9000), duration: forGood },
    keep('echo', 'prepare', waiter, lent, { until: until - random.between(20, 900) }),
  ];
  if (how !== 'late') {
    wanted.push(keep('hold', 'promise', lent, waiter, { from: 5000, until: 35_000 }));
  }
  if (how === 'restarts') {
    const at = random.between(1900, 2300);
    wanted.push({ kind: 'power_cut', machine: lent, at, duration: random.between(50, 300) });
  }
  const roles: Role[] = [
    { letter: 'v', timing: 'hasty', powerAt: power },
    { letter: 'w', timing: 'hasty', powerAt: 0 },
    { letter: 'v', timing: 'patient', powerAt: 0 },
  ];
  return plotOf(roles, wanted, { length: 13_000 });
}

/**
 * Rounds of two processes under one ballot. pi1 holds the lease and is cut off from the others; its
 * agent is restarted before the deadline, and what they answered to its first rounds comes once
 * more. Whoever counts rounds from 1 again takes that for an answer of today (L5: round in /run).
 */
export function oldAnswers(random: SeededRandom): Plot {
  const cutAt = random.between(2600, 4000);
  const crashAt = cutAt + random.between(300, 2000);
  const back = random.between(50, 200);
  const until = crashAt + back + random.between(5, 300);
  const wanted: Wanted[] = [
    { kind: 'isolate', machine: 0, at: cutAt, duration: forGood },
    { kind: 'crash', machine: 0, at: crashAt, duration: back },
    keep('echo', 'accept', 1, 0, { until }),
    keep('echo', 'accept', 2, 0, { until }),
  ];
  const letters = ['v', 'v', random.pick(['v', 'w'] as const)] as const;
  const roles = letters.map((letter, i): Role => ({ letter, timing: 'rapid', powerAt: 20 * i }));
  return plotOf(roles, wanted, { length: 12_000 });
}
