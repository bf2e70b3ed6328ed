/**
 * kine's table, verbatim, and the check that a file holds exactly that.
 *
 * Source: k3s-io/kine v0.16.4 pkg/drivers/sqlite/sqlite.go. A table with other columns, or tables
 * that the stream would not carry over, are an unknown schema: rows are then not streamed at all,
 * whole copies are (DESIGN section 4).
 */
import type { DatabaseSync } from 'node:sqlite';

const KINE_SCHEMA: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS kine
			(
				id INTEGER PRIMARY KEY AUTOINCREMENT,
				name TEXT,
				created INTEGER,
				deleted INTEGER,
				create_revision INTEGER,
				prev_revision INTEGER,
				lease INTEGER,
				value BLOB,
				old_value BLOB
			)`,
  'CREATE INDEX IF NOT EXISTS kine_name_index ON kine (name)',
  'CREATE INDEX IF NOT EXISTS kine_name_id_index ON kine (name,id)',
  'CREATE INDEX IF NOT EXISTS kine_id_deleted_index ON kine (id,deleted)',
  'CREATE INDEX IF NOT EXISTS kine_prev_revision_index ON kine (prev_revision)',
  'CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON kine (name, prev_revision)',
  'CREATE INDEX IF NOT EXISTS kine_id_compact_rev_key_with_prev_revision_index ON ' +
    "kine(id, name, prev_revision) WHERE name != 'compact_rev_key' AND prev_revision != 0",
];

/** Columns as `PRAGMA table_info` gives them: name, type, part of the primary key. */
const COLUMNS = [
  'id INTEGER 1',
  'name TEXT 0',
  'created INTEGER 0',
  'deleted INTEGER 0',
  'create_revision INTEGER 0',
  'prev_revision INTEGER 0',
  'lease INTEGER 0',
  'value BLOB 0',
  'old_value BLOB 0',
].join(', ');

/** Ours, SQLite's and Litestream's own tables carry no state of the cluster. */
const carriesNothing = (table: string): boolean =>
  table.startsWith('sqlite_') || table.startsWith('baton_') || table.startsWith('_litestream_');

export const createSchema = (database: DatabaseSync): void => {
  for (const statement of KINE_SCHEMA) database.exec(statement);
};

/**
 * Null when the file holds kine's known table; `absent` when there is no such table (yet); else
 * what differs, in words.
 */
export const schemaProblem = (
  database: DatabaseSync,
): 'absent' | { readonly text: string } | null => {
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
    .all()
    .map((row) => String(row.name));
  const others = tables.filter((table) => table !== 'kine' && !carriesNothing(table));
  if (others.length > 0) {
    return { text: `the datastore has tables that baton does not know: ${others.join(', ')}` };
  }
  if (!tables.includes('kine')) return 'absent';
  const columns = database
    .prepare('PRAGMA table_info(kine)')
    .all()
    .map((row) => `${row.name} ${row.type} ${row.pk}`)
    .join(', ');
  return columns === COLUMNS ? null : { text: `kine's table has the columns ${columns}` };
};
