/**
 * What the schedules exercised: each fault kind by the phase of the node it hit, and how often each
 * thing happened. A zero in this table is a place that no schedule has been to.
 */
import { addContainment, type Containment, emptyContainment } from './containment.ts';
import { type FaultKind, faultNames, faultNumber, isOfTheWorld } from './fault-kinds.ts';

/** Phases of a node as the core's view names them, and what the core cannot see of itself. */
export const phaseNames = [
  'silent',
  'learning',
  'waiting',
  'yielding',
  'asking',
  'promoting',
  'serving',
  'stepping_down',
  'following',
  'vacant',
  'sitting_out',
  'frozen',
  'off',
  'world',
] as const;
export type PhaseName = (typeof phaseNames)[number];
const phaseNumber = Object.fromEntries(phaseNames.map((name, index) => [name, index])) as Record<
  PhaseName,
  number
>;

export const countNames = [
  'decisions',
  'tenures',
  'handovers_completed',
  'raises',
  'deadman_kills',
  'gate_refusals',
  'list_changes',
  'liveness_checks',
  'best_replica_checks',
  'foundings',
] as const;
export type CountName = (typeof countNames)[number];

export interface Coverage {
  /** faults[kind × phases + phase]. */
  readonly faults: Int32Array;
  readonly counts: Record<CountName, number>;
  readonly containment: Containment;
}

export const emptyCoverage = (): Coverage => ({
  faults: new Int32Array(faultNames.length * phaseNames.length),
  counts: Object.fromEntries(countNames.map((name) => [name, 0])) as Record<CountName, number>,
  containment: emptyContainment(),
});

export function cover(coverage: Coverage, kind: FaultKind, phase: PhaseName): void {
  const at = faultNumber[kind] * phaseNames.length + phaseNumber[phase];
  coverage.faults[at] = (coverage.faults[at] as number) + 1;
}

export function addCoverage(sum: Coverage, more: Coverage): void {
  for (let i = 0; i < sum.faults.length; i += 1) {
    sum.faults[i] = (sum.faults[i] as number) + (more.faults[i] as number);
  }
  for (const name of countNames) sum.counts[name] += more.counts[name];
  addContainment(sum.containment, more.containment);
}

/** Pairs of fault and phase that can be: what hits everybody has no node whose phase counts. */
const reachable = faultNames.reduce(
  (sum, kind) => sum + (isOfTheWorld(kind) ? 1 : phaseNames.length - 1),
  0,
);

/** Pairs of fault and phase that were seen, and those that can be. */
export function covered(coverage: Coverage): { readonly seen: number; readonly of: number } {
  let seen = 0;
  for (const count of coverage.faults) if (count > 0) seen += 1;
  return { seen, of: reachable };
}

/** A text table, one row per fault kind. */
export function coverageTable(coverage: Coverage): string {
  const width = 8;
  const head = phaseNames.map((name) => name.slice(0, width - 1).padStart(width)).join('');
  const rows = faultNames.map((kind, row) => {
    const cells = phaseNames.map((_, column) => {
      const count = coverage.faults[row * phaseNames.length + column] as number;
      return (count === 0 ? '·' : String(count)).padStart(width);
    });
    return kind.padEnd(20) + cells.join('');
  });
  return [' '.repeat(20) + head, ...rows].join('\n');
}
