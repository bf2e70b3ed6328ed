/**
 * kine in miniature: k3s's SQLite datastore with kine 0.16's own table, indexes and write pattern.
 *
 * Rows are only ever added (create, update and delete each append one, with the former value as
 * `old_value`), except for compaction and the one row `compact_rev_key`, whose `prev_revision` is
 * updated in place. WAL, `synchronous=NORMAL`, VACUUM at start: a power cut may take back the last
 * commits, as with kine. One connection and one thread: it does not show kine's concurrency.
 *
 * Sources: kine pkg/drivers/sqlite/sqlite.go, pkg/drivers/generic/generic.go,
 * pkg/logstructured/sqllog/sql.go (compaction), pkg/logstructured/logstructured.go (writes).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** Not the agent's: a second reading of kine's source, so that a mistake in one of them shows. */
const schema = `
CREATE TABLE IF NOT EXISTS kine
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
  );
CREATE INDEX IF NOT EXISTS kine_name_index ON kine (name);
CREATE INDEX IF NOT EXISTS kine_name_id_index ON kine (name,id);
CREATE INDEX IF NOT EXISTS kine_id_deleted_index ON kine (id,deleted);
CREATE INDEX IF NOT EXISTS kine_prev_revision_index ON kine (prev_revision);
CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON kine (name, prev_revision);
CREATE INDEX IF NOT EXISTS kine_id_compact_rev_key_with_prev_revision_index
  ON kine(id, name, prev_revision) WHERE name != 'compact_rev_key' AND prev_revision != 0;`;

const columns = 'id, name, created, deleted, create_revision, prev_revision, lease, value';
/** Revisions per transaction of a compaction, so that a writer never waits long. */
const COMPACT_BATCH = 1000;

/** One row of the log. `revision` is the row's id, Kubernetes' resourceVersion. */
export interface Row {
  readonly revision: number;
  readonly key: string;
  readonly created: boolean;
  readonly deleted: boolean;
  readonly createRevision: number;
  readonly previousRevision: number;
  /** Time to live in seconds, 0 for ever. */
  readonly lease: number;
  readonly value: Uint8Array;
  /** The value before this row; only `after` fills it. */
  readonly oldValue: Uint8Array;
}

export interface Datastore {
  /** Newest row of a key, tombstones included. */
  latest(key: string): Row | null;
  /** Live rows whose key starts with `prefix/`, by key, and the head they were read at. */
  list(prefix: string): { rows: Row[]; head: number };
  /** Rows after `revision` under `prefix/`, tombstones included, oldest first. */
  after(prefix: string, revision: number): Row[];
  head(): number;
  compacted(): number;
  /** Each appends one row; null when the key exists (create), or is gone or has moved on. */
  create(key: string, value: Uint8Array, lease?: number): number | null;
  update(key: string, value: Uint8Array, expected: number, lease?: number): number | null;
  remove(key: string, expected: number): number | null;
  /** Called after each commit, with the new head. */
  onAppend(listener: (head: number) => void): () => void;
  /** One pass of kine's compactor. Returns the revision compacted to. */
  compact(): number;
  close(): void;
}

interface Statements {
  readonly latest: StatementSync;
  readonly list: StatementSync;
  readonly after: StatementSync;
  readonly head: StatementSync;
  readonly compacted: StatementSync;
  readonly insert: StatementSync;
}

const prepare = (database: DatabaseSync): Statements => ({
  latest: database.prepare(
    `SELECT ${columns} FROM kine WHERE id = (SELECT MAX(id) FROM kine WHERE name = ?)`,
  ),
  list: database.prepare(
    `SELECT ${columns} FROM kine INNER JOIN
      (SELECT MAX(id) AS id FROM kine WHERE name >= ? AND name < ? GROUP BY name) USING (id)
      WHERE deleted = 0 ORDER BY name ASC`,
  ),
  after: database.prepare(
    `SELECT ${columns}, old_value FROM kine WHERE name >= ? AND name < ? AND id > ? ORDER BY id`,
  ),
  head: database.prepare('SELECT MAX(id) AS value FROM kine'),
  compacted: database.prepare(
    `SELECT MAX(prev_revision) AS value FROM kine WHERE name = 'compact_rev_key'`,
  ),
  insert: database.prepare(
    `INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value,
      old_value)
      SELECT ?, ?, ?, ?, ?, ?, ?, (SELECT value FROM kine WHERE id = ?) AS old_value`,
  ),
});

type SqlRow = ReturnType<StatementSync['get']>;
const noBytes = new Uint8Array();

const toRow = (row: NonNullable<SqlRow>): Row => ({
  revision: Number(row.id),
  key: String(row.name),
  created: row.created !== 0,
  deleted: row.deleted !== 0,
  createRevision: row.created !== 0 ? Number(row.id) : Number(row.create_revision),
  previousRevision: Number(row.prev_revision),
  lease: Number(row.lease),
  value: row.value instanceof Uint8Array ? row.value : noBytes,
  oldValue: row.old_value instanceof Uint8Array ? row.old_value : noBytes,
});

/** The half-open range of keys below `prefix/`: '0' is the character after '/'. */
const range = (prefix: string): [string, string] => [`${prefix}/`, `${prefix}0`];

/** kine's start: schema, checkpoint, VACUUM, exactly one compact_rev_key, the health key. */
const setUp = (database: DatabaseSync): void => {
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 30000',
  );
  database.exec(schema);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.exec('VACUUM');
  database.exec(
    `DELETE FROM kine WHERE name = 'compact_rev_key' AND id != (SELECT id FROM kine
      WHERE name = 'compact_rev_key' ORDER BY prev_revision DESC, id DESC LIMIT 1)`,
  );
};

const transaction = (database: DatabaseSync, body: () => void): void => {
  database.exec('BEGIN IMMEDIATE');
  try {
    body();
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
};

/** kine's compaction of one batch: superseded rows and tombstones up to `target`, and the mark. */
const compactTo = (database: DatabaseSync, target: number): void =>
  transaction(database, () => {
    database
      .prepare(
        `DELETE FROM kine AS kv WHERE kv.id IN (
          SELECT kp.prev_revision AS id FROM kine AS kp
            WHERE kp.name != 'compact_rev_key' AND kp.prev_revision != 0 AND kp.id <= ?
          UNION SELECT kd.id AS id FROM kine AS kd WHERE kd.deleted != 0 AND kd.id <= ?)`,
      )
      .run(target, target);
    database
      .prepare(`UPDATE kine SET prev_revision = ? WHERE name = 'compact_rev_key'`)
      .run(target);
  });

/** Opens or makes `<directory>/db/state.db`. `minRetain` newest revisions survive a compaction. */
export const openDatastore = (directory: string, minRetain: number): Datastore => {
  mkdirSync(join(directory, 'db'), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(directory, 'db/state.db'));
  setUp(database);
  const sql = prepare(database);
  const listeners = new Set<(head: number) => void>();
  const head = () => Number(sql.head.get()?.value ?? 0);
  const compacted = () => Number(sql.compacted.get()?.value ?? 0);
  const latest = (key: string): Row | null => {
    const row = sql.latest.get(key);
    return row === undefined ? null : toRow(row);
  };
  const append = (...row: [string, number, number, number, number, number, Uint8Array | null]) => {
    const revision = Number(sql.insert.run(...row, row[4]).lastInsertRowid);
    for (const listener of listeners) listener(revision);
    return revision;
  };
  const live = (key: string, expected: number): Row | null => {
    const row = latest(key);
    return row === null || row.deleted || row.revision !== expected ? null : row;
  };
  const create = (key: string, value: Uint8Array | null, lease = 0): number | null => {
    const former = latest(key);
    if (former !== null && !former.deleted) return null;
    return append(key, 1, 0, 0, former?.revision ?? 0, lease, value);
  };
  if (latest('compact_rev_key') === null) create('compact_rev_key', null);
  create('/registry/health', Buffer.from('{"health":"true"}'));
  // kine compacts up to the head that it saw one interval ago, never the newest `minRetain`.
  let target = head();
  return {
    latest,
    head,
    compacted,
    create,
    list: (prefix) => ({ rows: sql.list.all(...range(prefix)).map(toRow), head: head() }),
    after: (prefix, revision) => sql.after.all(...range(prefix), revision).map(toRow),
    update: (key, value, expected, lease = 0) => {
      const former = live(key, expected);
      if (former === null) return null;
      return append(key, 0, 0, former.createRevision, former.revision, lease, value);
    },
    remove: (key, expected) => {
      const former = live(key, expected);
      return former === null ? null : append(key, 0, 1, 0, former.revision, 0, null);
    },
    onAppend: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    compact: () => {
      const goal = Math.min(target, head() - minRetain);
      const from = compacted();
      for (let at = from; at < goal; ) {
        at = Math.min(at + COMPACT_BATCH, goal);
        compactTo(database, at);
      }
      if (goal > from) database.exec('PRAGMA wal_checkpoint(FULL)');
      target = head();
      return compacted();
    },
    close: () => database.close(),
  };
};
