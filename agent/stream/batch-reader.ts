/**
 * Reads batches for all receivers: those that are in step share one read and one encoding.
 */
import type { RevisionSource, StreamLimits } from './api.ts';
import { encodeRows } from './rows.ts';

/** One batch as it travels, with what was true of the table in the same transaction. */
export interface EncodedBatch {
  /** Id of the last row, null when there was none after the cursor. */
  readonly last: number | null;
  readonly body: Uint8Array;
  readonly head: number;
  readonly mark: number;
  readonly effectiveMark: number;
  readonly markRow: number;
}

/** Cursors remembered between two changes: receivers are in step or far behind. */
const KEPT = 2;

export class BatchReader {
  readonly #source: RevisionSource;
  readonly #limits: StreamLimits;
  readonly #kept = new Map<number, EncodedBatch>();
  #head = 0;

  constructor(source: RevisionSource, limits: StreamLimits) {
    this.#source = source;
    this.#limits = limits;
  }

  /** The datastore may have changed. */
  invalidate(): void {
    this.#kept.clear();
  }

  /** Highest revision seen in any read. */
  get head(): number {
    return this.#head;
  }

  read(cursor: number): EncodedBatch {
    const known = this.#kept.get(cursor);
    if (known !== undefined) return known;
    const { rows, head, mark, effectiveMark, markRow } = this.#source.readAfter(
      cursor,
      this.#limits,
    );
    const last = rows.at(-1)?.id ?? null;
    const batch = { last, body: encodeRows(rows), head, mark, effectiveMark, markRow };
    if (this.#kept.size >= KEPT) this.#kept.clear();
    this.#kept.set(cursor, batch);
    this.#head = head;
    return batch;
  }
}
