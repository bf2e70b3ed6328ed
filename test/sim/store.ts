/**
 * The datastore as far as the lease cares: whose writes, in which order, up to which number.
 *
 * A store is a chain of segments. A segment holds the rows that one server life wrote (`tenure` is
 * unique in a schedule), so two stores hold the same rows exactly as far as their chains agree, and
 * a number that was used twice shows as two tenures. Segments are replaced, never changed: copies
 * of a chain are copies of an array.
 */
import type { DatastoreFacts } from '../../agent/core/types.ts';

export interface Segment {
  readonly tenure: number;
  readonly epoch: number;
  readonly first: number;
  /** Last row; `first - 1` while nothing has been written. */
  readonly last: number;
}

export type Chain = readonly Segment[];

export interface Store {
  chain: Chain;
  /** What would be found on the disk after a reboot (a replica is in RAM, saved rarely). */
  saved: Chain;
  source: DatastoreFacts['source'];
  /** Server files in use since the last clean stop. */
  dirty: boolean;
  /** Booted with dirty server files: commits may be gone. */
  unclean: boolean;
}

export const emptyStore = (): Store => ({
  chain: [],
  saved: [],
  source: 'none',
  dirty: false,
  unclean: false,
});

export function headOf(chain: Chain): number {
  const last = chain[chain.length - 1];
  return last === undefined ? 0 : last.last;
}

export function epochOf(chain: Chain): number {
  const last = chain[chain.length - 1];
  return last === undefined ? 0 : last.epoch;
}

export const factsOf = (store: Store): DatastoreFacts => ({
  lineageEpoch: epochOf(store.chain),
  revision: headOf(store.chain),
  clean: !store.unclean,
  source: store.source,
});

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

/** A new server life on these rows; DESIGN section 4, "Raise on loss". */
export function beginTenure(chain: Chain, tenure: number, epoch: number, raise: boolean): Chain {
  const head = headOf(chain);
  if (!raise) return [...chain, { tenure, epoch, first: head + 1, last: head }];
  const filler = Math.max(head + 1_000_000, epoch * 1e10);
  return [...chain, { tenure, epoch, first: filler, last: filler }];
}

/** Writes `count` more rows. */
export function grow(chain: Chain, count: number): Chain {
  const end = chain[chain.length - 1];
  if (end === undefined || count === 0) return chain;
  const grown = chain.slice();
  grown[grown.length - 1] = { ...end, last: end.last + count };
  return grown;
}
