/**
 * The master's datastore while its server runs: opened read-only, read in short transactions,
 * opened again for every life of the server (DESIGN section 4).
 *
 * SQLite only: opening `state.db` or `-shm` by any other means in this process and closing it
 * drops SQLite's POSIX locks (measured: one `readFile` dropped all of them).
 */
import { rmSync, statSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import type { Lineage, LiveRow, RevisionBatch, RevisionSource } from '../../stream/api.ts';
import { effectiveMark } from '../../stream/lineage.ts';
import { DirectoryWatch, fileIdentity } from './directory-watch.ts';
import { schemaProblem } from './kine-schema.ts';
import { KineTable } from './kine-table.ts';
import { readLineage } from './lineage-table.ts';
import { datastoreError, inTransaction } from './sqlite-errors.ts';

const EMPTY: RevisionBatch = { rows: [], head: 0, mark: 0, effectiveMark: 0, markRow: 0 };
/** Readers in WAL mode wait for recovery only; longer than that is a fault to report. */
const BUSY_MS = 1000;
/** KiB. New rows are in the kernel's page cache anyway: SQLite's default of 2 MiB gains nothing. */
const SMALL_CACHE = 'PRAGMA cache_size = -256';
/** More pages per step than any datastore has: one step, so that writers cannot restart it. */
const ALL_PAGES = 1_000_000_000;

interface OpenFile {
  readonly database: DatabaseSync;
  readonly table: KineTable;
  readonly identity: string;
  readonly problem: string | null;
  readonly lineage: Lineage;
  /** SQLite's counter of schema changes: a newer kine may migrate the table while we look. */
  readonly schemaVersion: () => number;
  readonly openedAt: number;
  readonly dataVersion: () => number;
}

export class LiveReader implements RevisionSource {
  readonly #path: string;
  readonly #watch: DirectoryWatch;
  readonly #handlers = new Set<() => void>();
  #open: OpenFile | null = null;
  #closed = false;
  #toldVersion = -1;

  /** `directory` is `server/db`; it need not exist yet. */
  constructor(directory: string) {
    this.#path = `${directory}/state.db`;
    this.#watch = new DirectoryWatch(directory, () => {
      if (this.#isUnchanged()) return;
      for (const handler of this.#handlers) handler();
    });
  }

  /**
   * Most wakes find nothing new (each commit is several events): SQLite's counter of other
   * connections' commits tells it in microseconds, without a read of the table.
   */
  #isUnchanged(): boolean {
    const open = this.#open;
    if (open === null) return false;
    try {
      if (fileIdentity(this.#path) !== open.identity) return false;
      const version = open.dataVersion();
      const same = version === this.#toldVersion;
      this.#toldVersion = version;
      return same;
    } catch {
      // The read that follows finds out what is wrong and reports it.
      return false;
    }
  }

  /** The open file of the present life; null while there is no table to read. */
  #file(): OpenFile | null {
    if (this.#closed) return null;
    const identity = fileIdentity(this.#path);
    const open = this.#open;
    if (open?.identity === identity && open.schemaVersion() === open.openedAt) return open;
    this.#drop();
    if (identity === '') return null;
    const database = new DatabaseSync(this.#path, { readOnly: true, timeout: BUSY_MS });
    try {
      database.exec(SMALL_CACHE);
      const problem = schemaProblem(database);
      if (problem === 'absent') {
        database.close();
        return null;
      }
      const version = database.prepare('PRAGMA schema_version');
      const schemaVersion = () => Number(version.get()?.schema_version);
      const changes = database.prepare('PRAGMA data_version');
      this.#toldVersion = -1;
      this.#open = {
        database,
        schemaVersion,
        dataVersion: () => Number(changes.get()?.data_version),
        openedAt: schemaVersion(),
        table: new KineTable(database),
        identity,
        problem: problem?.text ?? null,
        lineage: readLineage(database),
      };
      return this.#open;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #drop(): void {
    const open = this.#open;
    this.#open = null;
    open?.database.close();
  }

  /** Runs one read; on any failure the file is opened anew next time. */
  #read<Result>(otherwise: Result, action: (file: OpenFile) => Result): Result {
    try {
      const file = this.#file();
      if (file === null) return otherwise;
      return inTransaction(file.database, 'DEFERRED', () => action(file));
    } catch (error) {
      this.#drop();
      throw datastoreError(error, 'read the server’s datastore');
    }
  }

  readonly lineage = (): Lineage => this.#read<Lineage>([], (file) => file.lineage);

  readAfter(cursor: number, limit: { maxRows: number; maxBytes: number }): RevisionBatch {
    return this.#read(EMPTY, (file) => {
      if (file.problem !== null) return EMPTY;
      const rows = file.table.after(cursor, limit);
      const { mark, markRow } = file.table.mark();
      const head = file.table.head();
      return { rows, head, mark, effectiveMark: effectiveMark(file.lineage, mark), markRow };
    });
  }

  rowDigest(revision: number): string | null {
    return this.#read<string | null>(null, (file) => file.table.rowDigest(revision));
  }

  liveSlice(revision: number, afterName: string, limit: number): readonly LiveRow[] {
    return this.#read<readonly LiveRow[]>([], (file) =>
      file.table.liveSlice(revision, afterName, limit),
    );
  }

  onChange(handler: () => void): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  schemaProblem(): string | null {
    return this.#read<string | null>(null, (file) => file.problem);
  }

  /**
   * Whole copy to a new file. A connection of its own holds a read transaction meanwhile: without
   * one, another process writing 100 rows/s made the backup start over for ever (measured).
   */
  async copyTo(path: string): Promise<{ bytes: number; revision: number }> {
    rmSync(path, { force: true });
    let source: DatabaseSync | null = null;
    try {
      source = new DatabaseSync(this.#path, { readOnly: true, timeout: BUSY_MS });
      source.exec('BEGIN');
      const revision = highestRevision(source);
      await backup(source, path, { rate: ALL_PAGES });
      return { bytes: statSync(path).size, revision };
    } catch (error) {
      throw datastoreError(error, 'copy the server’s datastore');
    } finally {
      source?.close();
    }
  }

  close(): void {
    this.#closed = true;
    this.#watch.close();
    this.#handlers.clear();
    this.#drop();
  }
}

/** Highest id if there is a kine table with ids at all, else 0; starts the read transaction. */
export const highestRevision = (database: DatabaseSync): number => {
  database.prepare('SELECT COUNT(*) FROM sqlite_schema').get();
  try {
    return Number(database.prepare('SELECT MAX(id) AS id FROM kine').get()?.id ?? 0);
  } catch {
    // An unknown schema need not have that column; such copies are compared by nothing else.
    return 0;
  }
};
