/** Aimed schedules about lost records, missed epochs, lists and waits; see plots/table.ts. */
import type { SeededRandom } from '../random.ts';
import { apart, forGood, keep, type Plot, plotOf, type Role, type Wanted } from './plot.ts';

/**
 * A voter is wiped between its answer and that of another one. pi1 proposes to pi2 and pi3; pi3
 * answers, loses its card and boots; only then the proposal reaches pi2, and pi1 wins with the
 * answer of a card that is gone. Whoever learns before its silence is over learns too little (L9):
 * pi4 and pi5, which cannot reach pi1 and pi2, then take the same epoch with pi3.
 */
export function wipedBetween(random: SeededRandom): Plot {
  const wiped = 2;
  const wanted: Wanted[] = [
    ...[0, 1].flatMap((machine) => [apart(machine, 3), apart(machine, 4)]),
    keep('hold', 'propose', 0, 1, { until: random.between(2000, 2900) }),
    {
      kind: 'new_card',
      trigger: 'accept',
      by: wiped,
      machine: wiped,
      at: random.between(0, 4),
      duration: random.between(50, 300),
    },
    {
      ...apart(wiped, 0),
      trigger: 'accept',
      by: wiped,
      at: random.between(4, 40),
    },
  ];
  const roles: Role[] = [
    { letter: 'v', timing: 'patient', powerAt: 0 },
    { letter: 'w', timing: 'hasty', powerAt: 0 },
    { letter: 'v', timing: 'hasty', powerAt: 0 },
    { letter: 'w', timing: 'hasty', powerAt: 0 },
    { letter: 'v', timing: 'hasty', powerAt: random.between(300, 1500) },
  ];
  return plotOf(roles, wanted, { length: 10_000 });
}

/**
 * All but one are switched off in order at about the same time, and the master is cut off before
 * it could tell anybody of the first change (L10: the next one waits for the commit).
 */
export function manyLeave(random: SeededRandom): Plot {
  const count = random.pick([3, 3, 4, 5]);
  const at = random.between(6000, 9000);
  const others = Array.from({ length: count - 1 }, (_, i) => i + 1);
  const wanted: Wanted[] = others.map((machine) => ({
    kind: 'shutdown',
    machine,
    at: at + random.between(0, 20),
    duration: random.between(300, 900),
  }));
  wanted.push({
    kind: 'isolate',
    machine: 0,
    at: at + random.between(20, 460),
    duration: forGood,
  });
  const roles = [0, ...others].map(
    (_, i): Role => ({ letter: 'v', timing: 'rapid', powerAt: 15 * i }),
  );
  return plotOf(roles, wanted, { length: 32_000 });
}

/**
 * pi1 was away while pi2 became master with the witnesses, which is gone when pi1 returns. pi1 has
 * no vote: only the witnesses' word tells it which epoch is free (L5), or it is refused for ever.
 */
export function missedEpoch(random: SeededRandom): Plot {
  const gone = random.between(9000, 12_000);
  const back = gone + random.between(100, 3000);
  const wanted: Wanted[] = [{ kind: 'power_cut', machine: 1, at: gone, duration: forGood }];
  const letters = ['e', 'v', 'w', 'w'] as const;
  const roles = letters.map((letter, i): Role => {
    return { letter, timing: 'short', powerAt: i === 0 ? back : 20 * i };
  });
  // Its coordinator is the way between the two witnesses, without which nobody judges liveness.
  return plotOf(roles, wanted, { length: 60_000, owner: 1, pace: 1, coordinators: [0] });
}

/**
 * pi4 is behind pi3, and pi3 behind pi2. It leaves the role to pi2, is cut off, and misses that pi2
 * becomes master and hangs before a row of its epoch reaches anybody. Then pi3 and pi4 are left.
 */
export function missedTenure(random: SeededRandom): Plot {
  const [owner, best, better, worse] = [0, 1, 2, 3];
  const dies = random.between(9500, 11_000);
  // Its lease runs for 4 s more.
  const free = dies + 3000;
  const away = random.between(6000, 9000);
  const serves = random.between(700, 2500);
  const wanted: Wanted[] = [
    // Over when the owner is gone: a cut that lasts would keep the judge from looking.
    { ...apart(owner, worse), at: dies - 2200, duration: 2500 },
    { ...apart(owner, better), at: dies - 1200, duration: 1500 },
    { kind: 'power_cut', machine: owner, at: dies, duration: forGood },
    ...[better, worse].map((to) => keep('hold', 'prepare', best, to, { until: free + 1500 })),
    {
      kind: 'isolate',
      machine: worse,
      trigger: 'release',
      by: worse,
      armedFrom: free,
      at: random.between(0, 30),
      duration: away,
    },
    {
      kind: 'hang',
      machine: best,
      trigger: 'announce',
      by: best,
      armedFrom: free,
      at: serves,
      // Over a little later than the other one's absence.
      duration: away - 800 - serves + random.between(0, 1000),
    },
  ];
  const letters = ['v', 'v', 'v', 'v', 'w'] as const;
  const roles = letters.map((letter, i): Role => ({ letter, timing: 'short', powerAt: 20 * i }));
  return plotOf(roles, wanted, { length: 40_000, pace: 1 });
}

const daily = ['shipped', 'tight', 'short'] as const;

/** The last owner never comes back after a power cut of all: waited for once, and no longer. */
export function ownerAway(random: SeededRandom): Plot {
  const timing = random.pick(daily);
  const roles = Array.from({ length: random.pick([3, 4, 5]) }, (_, i): Role => {
    const powerAt = i === 0 ? Number.POSITIVE_INFINITY : random.between(0, 500);
    return { letter: 'v', timing, powerAt };
  });
  return plotOf(roles, [], { length: 60_000, pace: 1 });
}

/**
 * The agent of the master is stopped, and somebody sets the clock while only the dead man's switch
 * is left to end the server.
 */
export function stoppedAndSet(random: SeededRandom): Plot {
  const stop = {
    kind: 'freeze_agent',
    role: 'master',
    at: random.between(13_000, 20_000),
    duration: random.between(9000, 18_000),
  } as const;
  const set = {
    kind: 'wall_step',
    role: 'master',
    after: 0,
    at: random.between(0, 5000),
    strength: random.next(),
  } as const;
  const timing = random.pick(daily);
  const roles = [0, 1, 2].map((i): Role => ({ letter: 'v', timing, powerAt: 40 * i }));
  return plotOf(roles, [stop, set], { length: 42_000, pace: 1 });
}

/**
 * /run of the master is full when its agent starts again, and its server ends before there is
 * room.
 */
export function endsUnheard(random: SeededRandom): Plot {
  const at = random.between(14_000, 20_000);
  const wanted: Wanted[] = [
    { kind: 'crash', role: 'master', at, duration: random.between(50, 400) },
    { kind: 'run_full', role: 'master', at, duration: random.between(1000, 3000) },
    { kind: 'server_crash', role: 'master', after: 0, at: random.between(300, 2500) },
  ];
  const timing = random.pick(daily);
  const roles = [0, 1, 2].map((i): Role => ({ letter: 'v', timing, powerAt: 40 * i }));
  return plotOf(roles, wanted, { length: 50_000, pace: 1 });
}

/**
 * The successor of a planned move loses its power in the moment of the Release, which reaches it in
 * its next life, with an older saved replica: that word vouches for rows that it no longer holds.
 */
export function lateWord(random: SeededRandom): Plot {
  const [master, successor] = [0, 1];
  const at = random.between(14_000, 20_000);
  const until = at + random.between(2000, 12_000);
  const wanted: Wanted[] = [
    { kind: 'move', machine: master, sides: successor, at },
    keep('hold', 'release', master, successor, { from: at, until }),
    keep('hold', 'announce', master, successor, { from: at - 4000, until }),
    ...[successor, master].map(
      (machine): Wanted => ({
        kind: 'power_cut',
        trigger: 'release',
        armedFrom: at,
        by: master,
        machine,
        at: random.between(0, 20),
        duration: machine === master ? forGood : random.between(100, 900),
      }),
    ),
  ];
  const timing = random.pick(daily);
  const letters = ['v', 'v', 'w'] as const;
  const roles = letters.map((letter, i): Role => ({ letter, timing, powerAt: 40 * i }));
  return plotOf(roles, wanted, { length: 50_000, pace: 1 });
}
