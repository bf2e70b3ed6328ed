/**
 * One row per fault, and the rows as a table. Times are seconds after the fault, as seen from
 * outside: by the probes, by the writer's answers, by the status of the survivors.
 */
import { secondsOf } from './timeline.ts';

export interface FaultRow {
  /** In words: `master killed`, `first start`, … */
  readonly fault: string;
  /** The node it befell; null for all of them. */
  readonly node: string | null;
  /** Wall clock of the fault, ms. */
  readonly atMs: number;
  /** After the fault, ms; null where it did not happen or nobody saw it. */
  readonly detectionMs: number | null;
  readonly leaseMs: number | null;
  /** The new server was started: its datastore was in place. */
  readonly promotionMs: number | null;
  readonly readyMs: number | null;
  /** From the last write answered before to the first answered after. */
  readonly apiGapMs: number;
  /** Writes answered since the fault before this one. */
  readonly acknowledged: number;
  /** Answered 250 ms and more before the fault, and gone. */
  readonly lostOld: number;
  /** Answered later than that, and gone. */
  readonly lostRecent: number;
  /** Age of the oldest loss at the fault; for a freeze, how long the cut-off server went on. */
  readonly atRiskMs: number;
  /** The master's epoch afterwards. */
  readonly epoch: number;
  /** The master afterwards. */
  readonly master: string;
}

const head = [
  'fault',
  'detection',
  'lease',
  'promotion',
  'ready',
  'API gap',
  'acknowledged',
  'lost',
  'at risk',
  'epoch',
];

/** Younger losses stand behind a plus: `0 + 2`. */
const lostOf = ({ lostOld, lostRecent }: FaultRow): string =>
  lostRecent === 0 ? String(lostOld) : `${lostOld} + ${lostRecent}`;

const cells = (row: FaultRow): string[] => [
  row.node === null ? row.fault : `${row.fault} (${row.node})`,
  secondsOf(row.detectionMs),
  secondsOf(row.leaseMs),
  secondsOf(row.promotionMs),
  secondsOf(row.readyMs),
  `${secondsOf(row.apiGapMs)} s`,
  String(row.acknowledged),
  lostOf(row),
  `${Math.round(row.atRiskMs)} ms`,
  String(row.epoch),
];

/** The rows as lines, columns as wide as their content; names left, figures right. */
export const faultTable = (rows: readonly FaultRow[]): string[] => {
  const all = [head, ...rows.map(cells)];
  const widths = head.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  const lines = all.map((line) => line.map(pad).join('  '));
  lines.splice(1, 0, '─'.repeat(lines[0]?.length ?? 0));
  return lines;
};
