/**
 * Which clusters are simulated: how many machines, who votes, who may be master, which timing.
 *
 * Configurations are immutable and the core caches by them, so each (shape, timing) is built once
 * per process. Waits of minutes (cold start, retirement, sitting out) are scaled to fit into one
 * simulated minute; the relations between settings that the timing rules name all hold.
 */
import type { CoreConfig, NodeEntry } from '../../agent/core/types.ts';
import { milliseconds } from '../../shared/time/duration.ts';
import { type SeededRandom, weighted } from './random.ts';

export interface Shape {
  readonly nodes: readonly NodeEntry[];
  readonly configs: readonly CoreConfig[];
}

export type TimingName = 'shipped' | 'tight' | 'short' | 'drifting' | 'rapid' | 'stubborn' | Aimed;
/** For aimed schedules (plots/): the same lease, attempts of very different length. */
type Aimed = 'hasty' | 'patient';

type Timing = Omit<CoreConfig, 'node' | 'nodes' | 'apiHost' | 'apiPort'>;

const timing = (
  lease: number,
  renew: number,
  fence: number,
  drift: number,
  rest: { answer: number; stagger: number; yielding: number; cold: number; retire: number },
): Timing => ({
  leaseDuration: milliseconds(lease),
  renewInterval: milliseconds(renew),
  fenceAfter: milliseconds(fence),
  driftBound: drift,
  clockResolution: milliseconds(10),
  answerTimeout: milliseconds(rest.answer),
  candidateStagger: milliseconds(rest.stagger),
  yieldWait: milliseconds(rest.yielding),
  coldStartWait: milliseconds(rest.cold),
  retireAfter: milliseconds(rest.retire),
  sitOut: milliseconds(8000),
  serverRestarts: 3,
});

const usual = { answer: 700, stagger: 300, yielding: 2000, cold: 15_000, retire: 20_000 };
// Everybody asks at nearly the same moment.
const eager = { answer: 430, stagger: 12, yielding: 200, cold: 1500, retire: 5200 };
const quick = { answer: 400, stagger: 150, yielding: 1000, cold: 8000, retire: 9000 };

export const timings: Readonly<Record<TimingName, Timing>> = {
  // The shipped wait for the last owner, five minutes, is longer than any other in a schedule.
  shipped: timing(8000, 1500, 5000, 0.01, { ...usual, cold: 45_000 }),
  // 6300 + 1000 + 500 = 7800 < 7920: hardly any room, so that a small error shows.
  tight: timing(8000, 1500, 6300, 0.01, usual),
  short: timing(4000, 800, 2300, 0.01, quick),
  drifting: timing(8000, 1500, 6000, 0.05, usual),
  // For duels of candidates: many leases in a minute, and hardly anything between deadline and
  // grant. The killers would come too late; the data-path gate is always there in a duel.
  rapid: timing(2500, 440, 2440, 0.01, eager),
  // Attempts that outlive a silence: what start nonces and late Promises are about.
  stubborn: timing(1600, 300, 1550, 0.01, { ...eager, answer: 3000 }),
  hasty: timing(1600, 300, 1550, 0.01, { ...eager, answer: 280, retire: 3300 }),
  patient: timing(1600, 300, 1550, 0.01, { ...eager, answer: 9000, retire: 3300 }),
};

export function pickTiming(random: SeededRandom): TimingName {
  return weighted(random, [
    [35, 'shipped'],
    [25, 'tight'],
    [30, 'short'],
    [10, 'drifting'],
  ] as const);
}

const shapes = new Map<string, Shape>();

/** `letters`, one per node: v voter and eligible, w witness, e eligible only, f follower only. */
export function shapeOf(letters: string, name: TimingName): Shape {
  const key = `${letters} ${name}`;
  const known = shapes.get(key);
  if (known !== undefined) return known;
  const nodes: NodeEntry[] = [...letters].map((letter, index) => ({
    name: `pi${index + 1}`,
    eligible: letter === 'v' || letter === 'e',
    voter: letter === 'v' || letter === 'w',
  }));
  const configs = nodes.map((node, index) => ({
    node: node.name,
    nodes,
    ...timings[name],
    apiHost: `10.0.0.${index + 1}`,
    apiPort: 6443,
  }));
  const shape = { nodes, configs };
  shapes.set(key, shape);
  return shape;
}

/** Around five nodes, from one to nine, with witnesses and nodes without a vote. */
export function pickLetters(random: SeededRandom, few: number, many: number): string {
  const counts: (readonly [number, number])[] = [
    [2, 1],
    [7, 2],
    [20, 3],
    [10, 4],
    [48, 5],
    [4, 6],
    [5, 7],
    [2, 8],
    [2, 9],
  ];
  const allowed = counts.filter(([, count]) => count >= few && count <= many);
  const count = allowed.length > 0 ? weighted(random, allowed) : few;
  const letters = new Array<string>(count).fill('v');
  // Seven voters at most, as the shipped default has it.
  for (let i = 7; i < count; i += 1) letters[i] = random.chance(0.5) ? 'e' : 'f';
  if (count >= 2 && random.chance(0.25)) letters[Math.min(count, 7) - 1] = 'w';
  if (count >= 5 && random.chance(0.15)) letters[3] = random.pick(['e', 'f', 'w']);
  return letters.join('');
}
