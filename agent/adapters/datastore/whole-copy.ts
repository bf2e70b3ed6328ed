/**
 * Files of whole copies, for a datastore whose schema is unknown: the master's last one, and the
 * one a receiver takes in. Never a file below `server/db`: the copy is made by SQLite elsewhere.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';
import type { Lineage, RevisionSource, WholeCopies } from '../../stream/api.ts';
import { readPiece, writePiece } from '../file-pieces.ts';

/** The sending side: one file, made anew each time. */
export const wholeCopies = (path: string): WholeCopies => ({
  make: (source: RevisionSource) => source.copyTo(path),
  chunk: (offset, length) => readPiece(path, offset, length),
});

const recordShape = v.object({
  revision: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  lineage: v.array(
    v.object({
      epoch: v.number(),
      firstRevision: v.number(),
      lastTakenOver: v.number(),
      markBefore: v.nullable(v.number()),
    }),
  ),
});

/** What a received whole copy is; kept beside it because its schema cannot be extended. */
export interface WholeRecord {
  readonly revision: number;
  readonly lineage: Lineage;
}

/** The receiving side: `whole.part` while it comes, `whole.db` with `whole.json` when it is. */
export class WholeFile {
  readonly path: string;
  readonly #record: string;
  readonly #part: string;

  constructor(directory: string) {
    this.path = `${directory}/whole.db`;
    this.#record = `${directory}/whole.json`;
    this.#part = `${directory}/whole.part`;
  }

  record(): WholeRecord | null {
    if (!existsSync(this.path) || !existsSync(this.#record)) return null;
    try {
      const parsed = v.safeParse(recordShape, JSON.parse(readFileSync(this.#record, 'utf8')));
      return parsed.success ? parsed.output : null;
    } catch {
      // A torn record means an unfinished copy: as good as none.
      return null;
    }
  }

  begin(): void {
    rmSync(this.#part, { force: true });
    writeFileSync(this.#part, '', { mode: 0o600 });
  }

  append(offset: number, bytes: Uint8Array): void {
    writePiece(this.#part, offset, bytes);
  }

  end(record: WholeRecord): void {
    rmSync(this.#record, { force: true });
    renameSync(this.#part, this.path);
    writeFileSync(this.#record, JSON.stringify(record), { mode: 0o600 });
  }

  remove(): void {
    for (const path of [this.#record, this.path, this.#part]) rmSync(path, { force: true });
  }
}
