/**
 * Lineage: which epoch wrote which revisions, and how far two copies are the same history.
 *
 * Every promotion appends (epoch, first revision, last revision taken over). Histories form a
 * tree: two tables agree up to some entry and part after it. The last common entry's rows are
 * shared up to the smaller of the two points at which each side left it. The idea is Kafka's
 * KIP-279 (leader epochs instead of a high watermark). An epoch has one owner, so an equal entry
 * is the same promotion; all fields are compared because a server may be raised twice in one
 * epoch.
 */
import { BatonError } from '../../shared/errors/baton-error.ts';
import type { Lineage, LineageEntry, StreamPosition } from './api.ts';

/** Rows below this distance are never reused: DESIGN section 4, "Raise on loss". */
const RAISE_STEP = 1_000_000;
/** Each epoch owns a range of its own, so that forks from one point never share a number. */
const EPOCH_RANGE = 10_000_000_000;

/** Id of the filler row that a raised start begins with. */
export const fillerRevision = (last: number, epoch: number): number => {
  const filler = Math.max(last + RAISE_STEP, epoch * EPOCH_RANGE);
  // The row after it (the mark's) must be exact too; beyond that, numbers would repeat unseen.
  if (Number.isSafeInteger(filler + 1)) return filler;
  throw new BatonError(
    'datastore-failed',
    'operational',
    `epoch ${epoch} after revision ${last} has no revisions left above it (2^53 is the last): ` +
      'found a new cluster and restore the objects into it',
  );
};

/** Epoch under which row `revision` was written; 0 before the first entry. */
export const epochOf = (lineage: Lineage, revision: number): number => {
  let epoch = 0;
  for (const entry of lineage) if (entry.firstRevision <= revision) epoch = entry.epoch;
  return epoch;
};

export const positionOf = (lineage: Lineage, revision: number): StreamPosition => ({
  lineageEpoch: revision === 0 ? 0 : epochOf(lineage, revision),
  revision,
});

/** Whether one copy has more than the other: by the epoch of its last row, then by revision. */
export const isAhead = (one: StreamPosition, other: StreamPosition): boolean =>
  one.lineageEpoch !== other.lineageEpoch
    ? one.lineageEpoch > other.lineageEpoch
    : one.revision > other.revision;

/**
 * The mark up to which rows may really be gone. A raise sets the mark to its filler - 1 without
 * removing anything; until kine's first compaction after it, the mark before the raise counts.
 * Without this every receiver would need a new copy after every failover.
 */
export const effectiveMark = (lineage: Lineage, mark: number): number => {
  const raised = lineage.findLast((entry) => entry.firstRevision - 1 === mark);
  if (raised === undefined || raised.markBefore === null) return mark;
  return effectiveMark(
    lineage.filter((entry) => entry.firstRevision < raised.firstRevision),
    raised.markBefore,
  );
};

const same = (one: LineageEntry, other: LineageEntry): boolean =>
  one.epoch === other.epoch &&
  one.firstRevision === other.firstRevision &&
  one.lastTakenOver === other.lastTakenOver;

/**
 * Where a table leaves entry `index`: what a later promotion took over, or its own end. Not only
 * the next one's word counts: a receiver has its master's table before it has all the rows, and
 * when it is promoted it takes over less than an entry before its own says.
 */
const endOf = (lineage: Lineage, index: number, head: number): number =>
  lineage.slice(index + 1).reduce((end, { lastTakenOver }) => Math.min(end, lastTakenOver), head);

/**
 * Last revision that both histories share; 0 when they share nothing. `head` is each side's last
 * revision.
 */
export const commonEnd = (
  master: { readonly lineage: Lineage; readonly head: number },
  receiver: { readonly lineage: Lineage; readonly head: number },
): number => {
  for (let index = receiver.lineage.length - 1; index >= 0; index--) {
    const entry = receiver.lineage[index];
    if (entry === undefined) continue;
    const at = master.lineage.findIndex((candidate) => same(candidate, entry));
    if (at < 0) continue;
    return Math.min(
      endOf(master.lineage, at, master.head),
      endOf(receiver.lineage, index, receiver.head),
    );
  }
  return 0;
};

/** The part of a table that still holds when everything above `keep` is cut off. */
export const lineageUpTo = (lineage: Lineage, keep: number): Lineage =>
  lineage.filter((entry) => entry.firstRevision <= keep);

export type ResumePlan =
  | { readonly kind: 'resume' }
  | { readonly kind: 'cut'; readonly keep: number }
  | { readonly kind: 'copy'; readonly why: string; readonly saveFrom: number | null };

/**
 * How a receiver gets from where it is to where the master is. Pure; both sides compute it from
 * the same facts. `head` of the receiver is its cursor, marks are effective ones.
 *
 * `saveFrom`: rows above it exist perhaps only here and are saved before a new copy; null when
 * the copy replaces nothing of its own.
 */
export const planResume = (
  master: { readonly lineage: Lineage; readonly head: number; readonly mark: number },
  receiver: { readonly lineage: Lineage; readonly head: number; readonly mark: number },
): ResumePlan => {
  if (receiver.head === 0) return { kind: 'copy', why: 'the replica is empty', saveFrom: null };
  const keep = commonEnd(master, receiver);
  const own = keep < receiver.head ? keep : null;
  if (keep === 0) return { kind: 'copy', why: 'no common lineage', saveFrom: 0 };
  if (keep < master.mark) {
    const why = `the master has compacted up to ${master.mark}, common history ends at ${keep}`;
    return { kind: 'copy', why, saveFrom: own };
  }
  if (own === null) return { kind: 'resume' };
  if (keep < receiver.mark) {
    const why = `own compaction mark ${receiver.mark} is above the common history's end ${keep}`;
    return { kind: 'copy', why, saveFrom: keep };
  }
  return { kind: 'cut', keep };
};

/**
 * While rows flow: whether compaction has overtaken the receiver, so that tombstones it needed
 * are gone and resuming would bring deleted objects back to life. `markAtStart` is the mark when
 * this copy began, 0 when resumed: what was gone before the copy began was never sent.
 *
 * DESIGN compares with the *head* when the copy began. That misses a compaction during the copy
 * up to a point between cursor and that head (test/unit/stream/compaction.test.ts shows the
 * object that comes back), so the mark is compared with the mark.
 */
export const mustStartOver = (mark: number, cursor: number, markAtStart: number): boolean =>
  mark > Math.max(cursor, markAtStart);
