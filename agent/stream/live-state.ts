/**
 * The digest of the live state as of one revision, computed in slices with pauses between them:
 * no read transaction stays open, and the lease is renewed meanwhile.
 *
 * Rows up to a revision only change by compaction, and compaction up to that revision removes
 * nothing that was live in it: so the result counts unless the mark has passed the revision.
 */
import type { Clock } from '../../shared/ports/clock.ts';
import { milliseconds } from '../../shared/time/duration.ts';
import type { LiveRow } from './api.ts';
import { LiveDigest } from './digest.ts';

/** What a digest was made of. */
export interface LiveState {
  readonly revision: number;
  /** sha256, hexadecimal. */
  readonly digest: string;
  readonly names: number;
}

/** One slice takes about 2 ms on a Pi 4. */
const SLICE_NAMES = 100;
const PAUSE = milliseconds(20);

export interface LiveSlices {
  liveSlice(revision: number, afterName: string, limit: number): readonly LiveRow[];
}

/**
 * Resolves with null when compaction passed `revision` meanwhile, or `abandoned` says so.
 * `mark` gives the present effective mark.
 */
export const digestLiveState = async (
  source: LiveSlices,
  revision: number,
  clock: Clock,
  facts: { readonly mark: () => number; readonly abandoned: () => boolean },
): Promise<LiveState | null> => {
  const digest = new LiveDigest();
  let after = '';
  for (;;) {
    if (facts.abandoned()) return null;
    const rows = source.liveSlice(revision, after, SLICE_NAMES);
    const last = rows.at(-1);
    if (last === undefined) break;
    digest.add(rows);
    after = last.name;
    await new Promise<void>((resolve) => clock.in(PAUSE, resolve));
  }
  if (facts.mark() > revision) return null;
  return { revision, ...digest.finish() };
};
