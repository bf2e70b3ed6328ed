/**
 * What contained a fault beyond the model. Nothing is promised there, so it is measured: how the
 * schedules ended, and after the fault, at each start of a server, what had kept the one before it
 * from answering.
 */
import type { RuleName } from './checks/judge.ts';
import { beyondKinds, type FaultKind, isBeyond } from './fault-kinds.ts';
import type { PlannedFault } from './plan.ts';
import { dataPathIsShut, type Machine, type World } from './world.ts';

/**
 * Why a server answered no more; `still_there`: it runs, frozen or behind a data path that is shut.
 */
const enders = [
  'went_by_itself',
  'told_to_stop',
  'self_fence',
  'dead_mans_switch',
  'data_path_gate',
  'still_there',
] as const;
export type Ender = (typeof enders)[number];

const outcomes = ['schedules', 'two_servers', 'two_leases', 'other_rule'] as const;
const columns = [...outcomes, ...enders] as const;
type Column = (typeof columns)[number];

const headings: Readonly<Record<Column, string>> = {
  schedules: 'schedules',
  two_servers: '2 servers',
  two_leases: '2 leases',
  other_rule: 'other',
  went_by_itself: 'gone',
  told_to_stop: 'stopped',
  self_fence: 'self-fence',
  dead_mans_switch: 'dead man',
  data_path_gate: 'data path',
  still_there: '(running)',
};

export interface Containment {
  /** counts[kind × columns + column] */
  readonly counts: Int32Array;
  /** The mildest fault of each kind that broke a rule, in the unit of `amounts`. */
  readonly mildest: Float64Array;
}

export const emptyContainment = (): Containment => ({
  counts: new Int32Array(beyondKinds.length * columns.length),
  mildest: new Float64Array(beyondKinds.length).fill(Number.POSITIVE_INFINITY),
});

export function addContainment(sum: Containment, more: Containment): void {
  for (let i = 0; i < sum.counts.length; i += 1) {
    sum.counts[i] = (sum.counts[i] as number) + (more.counts[i] as number);
  }
  for (let i = 0; i < sum.mildest.length; i += 1) {
    sum.mildest[i] = Math.min(sum.mildest[i] as number, more.mildest[i] as number);
  }
}

/** How bad a fault is, where that is a number; else how long it lasts, or nothing. */
const amounts: Partial<Record<FaultKind, (fault: PlannedFault) => number>> = {
  drift_beyond: ({ strength }) => Math.abs(strength - 0.5) * 60,
  timers_lie: ({ strength }) => strength * 10,
  clock_pause: ({ duration }) => duration / 1000,
  frozen_without_gate: ({ duration }) => duration / 1000,
};
const unitOf = (kind: FaultKind): string => (kind === 'drift_beyond' ? ' %' : ' s');

/** A fence ends this machine's server, unless its data path was shut before. */
export function noteEnd(world: World, machine: Machine, by: Ender): void {
  const { server } = machine;
  if (!server.running || server.endedBy !== 'went_by_itself') return;
  server.endedBy = by !== 'told_to_stop' && dataPathIsShut(world, machine) ? 'data_path_gate' : by;
}

const count = (world: World, kind: FaultKind, column: Column): void => {
  const { counts } = world.coverage.containment;
  const at = beyondKinds.indexOf(kind) * columns.length + columns.indexOf(column);
  counts[at] = (counts[at] as number) + 1;
};

/** A server starts: what keeps the one before it, on another machine, from answering? */
export function noteStart(world: World, machine: Machine): void {
  const before = world.lastServer;
  world.lastServer = machine;
  machine.server.endedBy = 'went_by_itself';
  if (world.struck === null || before === null || before === machine) return;
  if (world.judge.violation !== null) return;
  const { running, endedBy } = before.server;
  count(world, world.struck.kind, running ? 'still_there' : endedBy);
}

/** A fault has struck; the first one beyond the model is the one that counts. */
export function noteStrike(world: World, fault: PlannedFault): void {
  if (isBeyond(fault.kind)) world.struck ??= fault;
}

const outcomeOf = (rule: RuleName): Column => {
  if (rule === 'two-servers') return 'two_servers';
  return rule === 'two-leases' ? 'two_leases' : 'other_rule';
};

/** The schedule is over. */
export function noteOutcome(world: World): void {
  const { struck, judge, coverage } = world;
  if (struck === null) return;
  count(world, struck.kind, 'schedules');
  if (judge.violation === null) return;
  count(world, struck.kind, outcomeOf(judge.violation.rule));
  const { mildest } = coverage.containment;
  const row = beyondKinds.indexOf(struck.kind);
  const amount = amounts[struck.kind]?.(struck) ?? Number.POSITIVE_INFINITY;
  mildest[row] = Math.min(mildest[row] as number, amount);
}

/** A text table, one row per kind of fault beyond the model. */
export function containmentTable({ counts, mildest }: Containment): string {
  const cell = (text: string): string => text.padStart(11);
  const head = [...columns.map((column) => headings[column]), 'mildest'].map(cell).join('');
  const rows = beyondKinds.map((kind, row) => {
    const cells = columns.map((_, column) => {
      const value = counts[row * columns.length + column] as number;
      return cell(value === 0 ? '·' : String(value));
    });
    const least = mildest[row] as number;
    const amount = Number.isFinite(least) ? `${least.toFixed(1)}${unitOf(kind)}` : '·';
    return kind.padEnd(20) + cells.join('') + cell(amount);
  });
  return [' '.repeat(20) + head, ...rows].join('\n');
}
