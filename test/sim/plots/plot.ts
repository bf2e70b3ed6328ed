/**
 * What an aimed schedule is made of: machines with a role, and faults in a given order.
 *
 * The faults are the usual ones; only their order (`after`, `by`) and their targets are given, and
 * their moments are drawn around the ones that the schedule needs.
 */
import type { CoreConfig, NodeEntry } from '../../../agent/core/types.ts';
import type { LeaseMessageKind } from '../../../shared/protocol/lease-messages.ts';
import { shapeOf, type TimingName } from '../cluster-shapes.ts';
import type { FaultKind } from '../fault-kinds.ts';
import type { PlannedFault } from '../plan.ts';

export interface Role {
  /** v voter and eligible, w witness, e eligible without a vote. */
  readonly letter: 'v' | 'w' | 'e';
  readonly timing: TimingName;
  /** True time at which it has power, ms. */
  readonly powerAt: number;
}

export interface Plot {
  readonly nodes: readonly NodeEntry[];
  readonly configs: readonly CoreConfig[];
  readonly powerAt: readonly number[];
  readonly faults: readonly PlannedFault[];
  /** True time at which it is over, ms: what follows shows nothing more. */
  readonly length: number;
  /** Whom the disks name as the last owner. */
  readonly owner: number;
  /** Factor on the duration of the steps of a promotion. */
  readonly pace: number;
  readonly coordinators: readonly number[];
}

export type Wanted = Partial<PlannedFault> & { readonly kind: FaultKind };

/** Until after the end of every schedule, ms. */
export const forGood = 300_000;

export const mask = (...machines: readonly number[]): number =>
  machines.reduce((sum, machine) => sum | (1 << machine), 0);

/** Two machines that cannot talk from the beginning. */
export const apart = (machine: number, other: number): Wanted => ({
  kind: 'cut_pair',
  machine,
  sides: other,
  duration: forGood,
});

/** `hold`: messages of one kind arrive only at `until`; `echo`: once more then. */
export const keep = (
  kind: 'hold' | 'echo',
  message: LeaseMessageKind,
  from: number,
  machine: number,
  span: { readonly from?: number; readonly until: number },
): Wanted => {
  const at = span.from ?? 0;
  return { kind, message, sides: mask(from), machine, at, duration: span.until - at };
};

const usual: Omit<PlannedFault, 'kind'> = {
  index: 0,
  at: 0,
  trigger: null,
  armedFrom: 0,
  by: null,
  after: null,
  message: null,
  role: null,
  machine: 0,
  duration: 0,
  // From 0.5 on a fault strikes where the plan says (triggers.ts).
  strength: 0.9,
  sides: 0,
};

export function plotOf(
  roles: readonly Role[],
  wanted: readonly Wanted[],
  rest: Partial<Plot> & Pick<Plot, 'length'>,
): Plot {
  const letters = roles.map(({ letter }) => letter).join('');
  const shapes = roles.map(({ timing }) => shapeOf(letters, timing));
  return {
    nodes: shapes[0]?.nodes ?? [],
    configs: shapes.map(({ configs }, index) => configs[index] as CoreConfig),
    powerAt: roles.map(({ powerAt }) => powerAt),
    faults: wanted.map((fault, index) => ({ ...usual, ...fault, index })),
    owner: 0,
    pace: 0.1,
    coordinators: [],
    ...rest,
  };
}
