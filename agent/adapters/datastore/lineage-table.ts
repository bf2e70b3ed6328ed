/**
 * The lineage table, kept as a table of its own **in** the datastore's file: whatever happens to
 * the file (moved, copied, restored, power cut), rows and lineage stay of one moment. kine and
 * SQLite leave a table they do not know alone (tried: start-up VACUUM, compaction, restart).
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Lineage, LineageEntry } from '../../stream/api.ts';

const TABLE = `CREATE TABLE IF NOT EXISTS baton_lineage (
  first_revision INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  last_taken_over INTEGER NOT NULL,
  mark_before INTEGER
)`;

const exists = (database: DatabaseSync): boolean =>
  database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'baton_lineage'").get() !== undefined;

/** Empty when the file has never been under baton. */
export const readLineage = (database: DatabaseSync): Lineage => {
  if (!exists(database)) return [];
  const rows = database.prepare('SELECT * FROM baton_lineage ORDER BY first_revision').all();
  return rows.map((row) => ({
    epoch: Number(row.epoch),
    firstRevision: Number(row.first_revision),
    lastTakenOver: Number(row.last_taken_over),
    markBefore: row.mark_before === null ? null : Number(row.mark_before),
  }));
};

/** Replaces the whole table; the caller's transaction makes it one with the rows. */
export const writeLineage = (database: DatabaseSync, lineage: Lineage): void => {
  database.exec(TABLE);
  database.exec('DELETE FROM baton_lineage');
  for (const entry of lineage) appendLineage(database, entry);
};

export const appendLineage = (database: DatabaseSync, entry: LineageEntry): void => {
  database.exec(TABLE);
  database
    .prepare('INSERT OR REPLACE INTO baton_lineage VALUES (?, ?, ?, ?)')
    .run(entry.firstRevision, entry.epoch, entry.lastTakenOver, entry.markBefore);
};
