/**
 * The datastore as far as the lease cares: whose writes, in which order, up to which number.
 *
 * A store is a chain of segments. A segment holds the rows that one server life wrote (`tenure` is
 * unique in a schedule), so two stores hold the same rows exactly as far as their chains agree, and
 * a number that was used twice shows as two tenures. Segments are replaced, never changed: copies
 * of a chain are copies of an array.
 *
 * The chain is the truth, which nobody in the simulation sees. What a node knows of it is the
 * lineage table beside it, of the shipped form and read by the shipped functions.
 */
import type { DatastoreFacts } from '../../agent/core/types.ts';
import type { Lineage } from '../../agent/stream/api.ts';
import { fillerRevision, lineageUpTo, positionOf } from '../../agent/stream/lineage.ts';

export interface Segment {
  readonly tenure: number;
  readonly epoch: number;
  readonly first: number;
  /** Last row; `first - 1` while nothing has been written. */
  readonly last: number;
}

export type Chain = readonly Segment[];

/** Rows and table are in one file: whatever happens to it, both are of one moment. */
export interface Copy {
  readonly chain: Chain;
  readonly lineage: Lineage;
}

export interface Store extends Copy {
  chain: Chain;
  lineage: Lineage;
  /** What would be found on the disk after a reboot (a replica is in RAM, saved rarely). */
  saved: Copy;
  source: DatastoreFacts['source'];
  /** Server files in use since the last clean stop. */
  dirty: boolean;
  /** Booted with dirty server files: commits may be gone. */
  unclean: boolean;
}

const nothing: Copy = { chain: [], lineage: [] };

export const emptyStore = (): Store => ({
  ...nothing,
  saved: nothing,
  source: 'none',
  dirty: false,
  unclean: false,
});

export function headOf(chain: Chain): number {
  const last = chain[chain.length - 1];
  return last === undefined ? 0 : last.last;
}

/** Epoch under which the last row was written. */
export function epochOf(chain: Chain): number {
  const last = chain[chain.length - 1];
  if (last === undefined) return 0;
  return isEmpty(last) ? (chain[chain.length - 2]?.epoch ?? 0) : last.epoch;
}

const isEmpty = ({ first, last }: Segment): boolean => last < first;

/** Only the last segment can be empty: of a server that has not written yet. */
function withoutEmptyEnd(chain: Chain): Chain {
  const last = chain[chain.length - 1];
  return last !== undefined && isEmpty(last) ? chain.slice(0, -1) : chain;
}

export function factsOf({ chain, lineage, unclean, source }: Store): DatastoreFacts {
  const { lineageEpoch, revision } = positionOf(lineage, headOf(chain));
  return { lineageEpoch, revision, clean: !unclean, source };
}

/** Stands for the digest of a row: rows of one number are the same when one tenure wrote them. */
export function digestAt(chain: Chain, revision: number): string | null {
  for (let i = chain.length - 1; i >= 0; i -= 1) {
    const { tenure, first, last } = chain[i] as Segment;
    if (first <= revision && revision <= last) return String(tenure);
  }
  return null;
}

export const copyOf = ({ chain, lineage }: Copy): Copy => ({ chain, lineage });

/** The rows up to `revision`. */
export function cutTo(chain: Chain, revision: number): Chain {
  let keep = chain.length;
  while (keep > 0 && (chain[keep - 1] as Segment).first > revision) keep -= 1;
  const cut = chain.slice(0, keep);
  const end = cut[keep - 1];
  if (end !== undefined && end.last > revision) cut[keep - 1] = { ...end, last: revision };
  return cut;
}

/** Last revision up to which two chains hold the same rows. */
export function commonHead(a: Chain, b: Chain): number {
  let common = 0;
  for (let i = 0; i < a.length && i < b.length; i += 1) {
    const mine = a[i] as Segment;
    const other = b[i] as Segment;
    if (mine.tenure !== other.tenure) return common;
    common = Math.min(mine.last, other.last);
    if (mine.last !== other.last) return common;
  }
  return common;
}

/** Removes the rows above `keep`, and what the table says of them (replica.ts). */
export function cutBack(store: Store, keep: number): void {
  store.chain = cutTo(store.chain, keep);
  store.lineage = lineageUpTo(store.lineage, keep);
}

/** `own`, and after its last number the rows that `theirs` has, up to `upTo`. */
export function extend(own: Chain, theirs: Chain, upTo: number): Chain {
  const head = headOf(own);
  if (upTo <= head) return own;
  const extended = withoutEmptyEnd(own).slice();
  for (const segment of theirs) {
    if (segment.last <= head || segment.first > upTo) continue;
    const last = Math.min(segment.last, upTo);
    const end = extended[extended.length - 1];
    if (end?.tenure === segment.tenure) extended[extended.length - 1] = { ...end, last };
    else extended.push({ ...segment, first: Math.max(segment.first, head + 1), last });
  }
  return extended;
}

/** A new server life on these rows, as adapters/datastore/prepare.ts makes them ready. */
export function beginTenure(
  { chain, lineage }: Copy,
  { tenure, epoch, raise }: { tenure: number; epoch: number; raise: boolean },
): Copy {
  const head = headOf(chain);
  const first = raise ? fillerRevision(head, epoch) : head + 1;
  const entry = {
    epoch,
    firstRevision: first,
    lastTakenOver: head,
    // Nothing is compacted in the simulation.
    markBefore: raise ? 0 : null,
  };
  return {
    chain: [...withoutEmptyEnd(chain), { tenure, epoch, first, last: raise ? first : head }],
    // By first revision, of which the table holds each once.
    lineage: [...lineage.filter(({ firstRevision }) => firstRevision !== first), entry].sort(
      (a, b) => a.firstRevision - b.firstRevision,
    ),
  };
}

/** Writes `count` more rows. */
export function grow(chain: Chain, count: number): Chain {
  const end = chain[chain.length - 1];
  if (end === undefined || count === 0) return chain;
  const grown = chain.slice();
  grown[grown.length - 1] = { ...end, last: end.last + count };
  return grown;
}
