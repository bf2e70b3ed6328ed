/**
 * Digests: of one row (to resume by), and of the live state (to prove that two copies are equal).
 *
 * The live digest runs over every name's newest row as of one revision, in slices, so that no
 * read transaction stays open: rows up to that revision only change by compaction, which the
 * caller excludes by looking at the marks before and after.
 */
import { createHash, type Hash } from 'node:crypto';
import type { KineRow, LiveRow } from './api.ts';
import { encodeRows } from './rows.ts';

/** The only row that kine changes in place; its changing field is left out of digests. */
export const COMPACT_ROW_NAME = 'compact_rev_key';

/** 32 hexadecimal digits over all columns of a row; NULL and empty differ. */
export const digestRow = (row: KineRow): string => {
  const fixed = row.name === COMPACT_ROW_NAME ? { ...row, prevRevision: null } : row;
  return createHash('sha256')
    .update(encodeRows([fixed]))
    .digest('hex')
    .slice(0, 32);
};

/** Adds up slices of (name → revision, value hash), in order of names. */
export class LiveDigest {
  readonly #hash: Hash = createHash('sha256');
  #names = 0;

  add(rows: readonly LiveRow[]): void {
    for (const row of rows) {
      if (row.deleted || row.name === COMPACT_ROW_NAME) continue;
      const value = createHash('sha256');
      if (row.value !== null) value.update(row.value);
      this.#hash.update(`${row.name}\0${row.id}\0`).update(value.digest());
      this.#names++;
    }
  }

  finish(): { readonly digest: string; readonly names: number } {
    return { digest: this.#hash.digest('hex'), names: this.#names };
  }
}
