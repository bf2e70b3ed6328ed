/** Which faults each profile of schedules is made of, by weight. Data only; see plan-maker.ts. */

import type { Step } from '../../agent/core/types.ts';
import type { LeaseMessageKind } from '../../shared/protocol/lease-messages.ts';
import { type FaultKind, faultNames, isBeyond } from './fault-kinds.ts';
import type { ProfileName } from './plan.ts';
import type { SeededRandom } from './random.ts';
import { stepNames } from './step-times.ts';

type Weights = readonly (readonly [number, FaultKind])[];

export interface Profile {
  readonly weight: number;
  readonly nodes: readonly [number, number];
  readonly letters?: (random: SeededRandom) => string;
  readonly faults: readonly [number, number];
  /** Part of the schedules that begin with machines that have never been used. */
  readonly fresh: number;
  /** Candidates against each other in a storm (plan.ts); no other judge than safety. */
  readonly duel?: true;
  readonly kinds: Weights;
}

/** A little of everything. */
export const everyday: Weights = faultNames
  .filter((kind) => !isBeyond(kind))
  .map((kind) => [1, kind] as const);

/** Every kind of message; what `hold` and `echo` keep, and what a fault may wait for. */
export const messageKinds: readonly LeaseMessageKind[] = [
  'prepare',
  'promise',
  'refuse',
  'propose',
  'accept',
  'release',
  'learn',
  'learned',
  'announce',
  'membership',
];

/** What a fault may wait for instead of a moment. */
export const triggers: readonly (Step | LeaseMessageKind)[] = [...stepNames, ...messageKinds];

const duels = ['vv', 'vvv', 'vvv', 'vvv', 'vvv', 'vvv', 'vvvv', 'vvvvv'] as const;
const listDuels = ['vvv', 'vvvv', 'vvvv', 'vvvvv'] as const;
const pairs = ['vv', 'vv', 'vv', 'vw', 'vvw', 'vve'] as const;

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  calm: { weight: 3, nodes: [1, 9], faults: [0, 0], fresh: 0.3, kinds: everyday },
  mixed: { weight: 25, nodes: [1, 9], faults: [2, 8], fresh: 0.05, kinds: everyday },
  crashes: {
    weight: 16,
    nodes: [5, 5],
    faults: [4, 12],
    fresh: 0,
    kinds: [
      [5, 'crash'],
      [4, 'crash_midway'],
      [5, 'power_cut'],
      [2, 'restart'],
      [2, 'loss'],
      [2, 'delay'],
      [1, 'hang'],
      [2, 'partition'],
    ],
  },
  membership: {
    weight: 12,
    nodes: [4, 7],
    faults: [4, 10],
    fresh: 0,
    kinds: [
      [6, 'shutdown'],
      [2, 'power_cut'],
      [2, 'crash'],
      [2, 'isolate'],
      [2, 'partition'],
      [1, 'loss'],
      [1, 'delay'],
      [1, 'duplicate'],
      [1, 'move'],
    ],
  },
  wipes: {
    weight: 8,
    nodes: [3, 6],
    faults: [3, 8],
    fresh: 0,
    kinds: [
      [4, 'new_card'],
      [2, 'found'],
      [2, 'torn_epoch'],
      [3, 'shutdown'],
      [2, 'power_cut'],
      [1, 'partition'],
      [1, 'loss'],
      [1, 'delay'],
    ],
  },
  late: {
    weight: 10,
    nodes: [3, 5],
    faults: [4, 10],
    fresh: 0,
    kinds: [
      [4, 'delay'],
      [4, 'duplicate'],
      [2, 'loss'],
      [2, 'one_way'],
      [2, 'power_cut'],
      [2, 'crash'],
      [1, 'freeze_agent'],
      [1, 'slow_node'],
    ],
  },
  cold: {
    weight: 6,
    nodes: [2, 6],
    faults: [1, 5],
    fresh: 0.1,
    kinds: [
      [4, 'cold_start'],
      [2, 'power_cut'],
      [2, 'isolate'],
      [1, 'crash'],
      [1, 'loss'],
      [1, 'ranking'],
    ],
  },
  handover: {
    weight: 7,
    nodes: [2, 6],
    faults: [3, 8],
    fresh: 0,
    kinds: [
      [8, 'move'],
      [2, 'shutdown'],
      [2, 'crash_midway'],
      [1, 'step_fails'],
      [1, 'step_slow'],
      [1, 'power_cut'],
      [1, 'isolate'],
      [1, 'crash'],
      [1, 'restart'],
    ],
  },
  fencing: {
    weight: 7,
    nodes: [2, 5],
    faults: [3, 8],
    fresh: 0,
    kinds: [
      [4, 'freeze_agent'],
      [3, 'freeze_midway'],
      [3, 'freeze_node'],
      [3, 'kill_deadman'],
      [2, 'stray_start'],
      [2, 'power_cut'],
      [2, 'wall_step'],
      [2, 'slow_node'],
      [4, 'overload'],
      [2, 'isolate'],
      [1, 'crash'],
      [1, 'crash_loop'],
      [1, 'one_way'],
    ],
  },
  disk: {
    weight: 6,
    nodes: [3, 5],
    faults: [3, 8],
    fresh: 0,
    kinds: [
      [3, 'disk_full'],
      [3, 'epoch_write'],
      [2, 'run_full'],
      [2, 'torn_epoch'],
      [2, 'power_cut'],
      [2, 'crash_midway'],
      [1, 'partition'],
      [1, 'server_crash'],
    ],
  },
  duel: {
    weight: 6,
    nodes: [2, 5],
    letters: (random) => random.pick(duels),
    duel: true,
    faults: [4, 20],
    fresh: 0,
    kinds: [
      [8, 'power_cut'],
      [4, 'crash'],
      [1, 'crash_midway'],
      [1, 'freeze_agent'],
      [2, 'isolate'],
      [5, 'cut_pair'],
      [1, 'partition'],
      [1, 'move'],
      [1, 'epoch_write'],
    ],
  },
  'duel-wipes': {
    weight: 4,
    nodes: [3, 5],
    letters: (random) => random.pick(duels),
    duel: true,
    faults: [4, 16],
    fresh: 0,
    kinds: [
      [6, 'new_card'],
      [2, 'found'],
      [2, 'torn_epoch'],
      [3, 'power_cut'],
      [3, 'isolate'],
      [3, 'cut_pair'],
      [1, 'shutdown'],
    ],
  },
  'duel-lists': {
    weight: 4,
    nodes: [3, 5],
    letters: (random) => random.pick(listDuels),
    duel: true,
    faults: [4, 16],
    fresh: 0,
    kinds: [
      [7, 'shutdown'],
      [3, 'power_cut'],
      [3, 'isolate'],
      [4, 'cut_pair'],
      [2, 'partition'],
      [1, 'crash'],
    ],
  },
  // The faults come from plots/; everyday ones are mixed in.
  aimed: { weight: 6, nodes: [3, 5], faults: [0, 2], fresh: 0, duel: true, kinds: everyday },
  pair: {
    weight: 5,
    nodes: [2, 3],
    letters: (random) => random.pick(pairs),
    faults: [2, 7],
    fresh: 0.05,
    kinds: [
      [3, 'power_cut'],
      [3, 'crash'],
      [2, 'isolate'],
      [2, 'shutdown'],
      [2, 'move'],
      [2, 'promote'],
      [1, 'freeze_agent'],
      [1, 'loss'],
      [1, 'new_card'],
    ],
  },
};
