/** Lineage tables on the wire: snake_case, bounded to the newest entries. */
import type { Lineage } from './api.ts';
import { LINEAGE_LIMIT } from './limits.ts';

export type WireLineage = {
  epoch: number;
  first_revision: number;
  last_taken_over: number;
  mark_before: number | null;
}[];

/** The newest entries; a common one that is older than all of them means a new copy. */
export const lineageToWire = (lineage: Lineage): WireLineage =>
  lineage.slice(-LINEAGE_LIMIT).map((entry) => ({
    epoch: entry.epoch,
    first_revision: entry.firstRevision,
    last_taken_over: entry.lastTakenOver,
    mark_before: entry.markBefore,
  }));

export const lineageFromWire = (wire: WireLineage): Lineage =>
  wire.map((entry) => ({
    epoch: entry.epoch,
    firstRevision: entry.first_revision,
    lastTakenOver: entry.last_taken_over,
    markBefore: entry.mark_before,
  }));
