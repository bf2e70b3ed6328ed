/**
 * One replica file: kine's table, the lineage, and how far the stream has come, in one SQLite
 * file on a tmpfs. WAL without syncs: SIGKILL of the agent loses nothing that was committed, and
 * RAM does not outlive a power cut anyway.
 */
import { DatabaseSync } from 'node:sqlite';
import type { KineRow, Lineage } from '../../stream/api.ts';
import { COMPACT_ROW_NAME, digestRow } from '../../stream/digest.ts';
import { effectiveMark } from '../../stream/lineage.ts';
import { createSchema, schemaProblem } from './kine-schema.ts';
import { KineTable } from './kine-table.ts';
import { readLineage, writeLineage } from './lineage-table.ts';
import { damaged, inTransaction } from './sqlite-errors.ts';

/** `whole`: a copy of unknown schema lies here, of which only the position is known. */
const STATE = `CREATE TABLE IF NOT EXISTS baton_stream (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  cursor INTEGER NOT NULL,
  digest TEXT
)`;

export interface ReplicaFile {
  readonly path: string;
  readonly database: DatabaseSync;
  readonly table: KineTable;
  lineage: Lineage;
  cursor: number;
  digest: string | null;
  /** Mark as kine's row has it, which a raise may have put far above what was removed. */
  rawMark: number;
  /** How far kine's rule has been applied since it was opened. */
  compactedTo: number;
  /** How far it is to be applied; above `compactedTo` while there is something left to do. */
  compactTo: number;
  /** Found by a check after it was opened: nothing may be taken from it any more. */
  damage: Error | null;
}

/**
 * Opens or makes a replica. A file without our state (a server's own, used as seed) begins at
 * its head. Throws SQLite's error when its first pages are damaged: the caller decides what to do.
 * The others are looked at by quick-check.ts, for that takes seconds.
 */
export const openReplicaFile = (path: string): ReplicaFile => {
  const database = new DatabaseSync(path, { timeout: 1000 });
  try {
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = OFF');
    // The file is in RAM already: a large cache would hold the same pages twice.
    database.exec('PRAGMA cache_size = -512');
    const problem = schemaProblem(database);
    if (problem !== null && problem !== 'absent') throw damaged(problem.text);
    inTransaction(database, 'IMMEDIATE', () => {
      createSchema(database);
      database.exec(STATE);
    });
    const table = new KineTable(database);
    const stored = database.prepare('SELECT cursor, digest FROM baton_stream').get();
    const cursor = stored === undefined ? table.head() : Number(stored.cursor);
    const digest = stored === undefined ? table.rowDigest(cursor) : stored.digest;
    return {
      path,
      database,
      table,
      lineage: readLineage(database),
      cursor,
      digest: typeof digest === 'string' ? digest : null,
      rawMark: table.mark().mark,
      compactedTo: 0,
      compactTo: 0,
      damage: null,
    };
  } catch (error) {
    database.close();
    throw error;
  }
};

const storeCursor = (file: ReplicaFile, cursor: number, digest: string | null): void => {
  file.database.prepare('INSERT OR REPLACE INTO baton_stream VALUES (1, ?, ?)').run(cursor, digest);
};

/** Applies rows in one transaction; their ids rise and are above the cursor. */
export const applyRows = (file: ReplicaFile, rows: readonly KineRow[]): void => {
  const last = rows.at(-1);
  if (last === undefined) return;
  const digest = digestRow(last);
  const gone = effectiveMark(file.lineage, file.rawMark);
  inTransaction(file.database, 'IMMEDIATE', () => {
    for (const row of rows) {
      if (row.name === COMPACT_ROW_NAME) {
        // It arrives with the master's mark of now; here the mark follows the cursor.
        file.table.removeMarkRows();
        file.table.insert({ ...row, prevRevision: file.rawMark });
        continue;
      }
      // Made again after a compaction that has not come so far here: it has the key of the first
      // row of its earlier life, and kine's index allows that only once.
      const isFirst = row.prevRevision === 0 && row.name !== null;
      if (isFirst && gone > 0) file.table.removeFirst(row.name, gone);
      file.table.insert(row);
    }
    storeCursor(file, last.id, digest);
  });
  file.cursor = last.id;
  file.digest = digest;
};

/**
 * Rows looked at in one transaction; at most twice as many are removed. Some milliseconds on a Pi:
 * the agent gives its votes between them.
 */
const COMPACT_ROWS = 500;

/**
 * Notes the mark; `compactStep` then removes what kine's rule says. The mark comes first, for it
 * says what *may* be gone: rows that stay a while longer, even through a crash, harm nobody. The
 * next compaction begins at the first row after the file was opened, so it finds them.
 */
export const compactRows = (file: ReplicaFile, mark: number): void => {
  inTransaction(file.database, 'IMMEDIATE', () => file.table.setMark(mark));
  file.rawMark = mark;
  // A raise moved the mark without removing anything: nor is anything removed here, so that this
  // replica can still be cut back below that raise.
  file.compactTo = Math.max(file.compactTo, effectiveMark(file.lineage, mark));
};

/** One piece of the work that `compactRows` left to do; false when nothing is left. */
export const compactStep = (file: ReplicaFile, rows = COMPACT_ROWS): boolean => {
  const { table, compactedTo, compactTo } = file;
  if (compactedTo >= compactTo) return false;
  const end = table.nthAfter(compactedTo, compactTo, rows) ?? compactTo;
  inTransaction(file.database, 'IMMEDIATE', () => table.compactRange(compactedTo, end));
  file.compactedTo = end;
  return end < compactTo;
};

export const storeLineage = (file: ReplicaFile, lineage: Lineage): void => {
  inTransaction(file.database, 'IMMEDIATE', () => writeLineage(file.database, lineage));
  file.lineage = lineage;
};

/** Removes the rows above `keep`; `lineage` is what then still holds. */
export const removeAbove = (file: ReplicaFile, keep: number, lineage: Lineage): void => {
  const mark = Math.min(file.rawMark, effectiveMark(file.lineage, file.rawMark));
  inTransaction(file.database, 'IMMEDIATE', () => {
    file.table.removeAbove(keep);
    file.table.setMark(mark);
    writeLineage(file.database, lineage);
    storeCursor(file, keep, file.table.rowDigest(keep));
  });
  file.rawMark = mark;
  file.lineage = lineage;
  file.cursor = keep;
  file.digest = file.table.rowDigest(keep);
  file.compactTo = Math.min(file.compactTo, keep);
  file.compactedTo = Math.min(file.compactedTo, keep);
};
