/**
 * Statements on one open kine table; the same for the live file, the replica and an installed
 * copy. Nothing here begins a transaction: callers bound theirs.
 *
 * Statement texts follow kine's own (pkg/drivers/generic, pkg/drivers/sqlite, v0.16.4), so that
 * a compaction here removes exactly what kine's removes.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { KineRow, LiveRow } from '../../stream/api.ts';
import { COMPACT_ROW_NAME, digestRow } from '../../stream/digest.ts';
import { rowBytes } from '../../stream/rows.ts';

const COLUMNS =
  'id, name, created, deleted, create_revision, prev_revision, lease, value, old_value';

const COMPACT = `
  DELETE FROM kine AS kv
  WHERE kv.id IN (
    SELECT kp.prev_revision AS id FROM kine AS kp
    WHERE kp.name != 'compact_rev_key' AND kp.prev_revision != 0 AND kp.id <= ?
    UNION
    SELECT kd.id AS id FROM kine AS kd WHERE kd.deleted != 0 AND kd.id <= ?)`;

/** The same rule for the rows of a range: ranges in order remove what one over all would. */
const COMPACT_RANGE = `
  DELETE FROM kine AS kv
  WHERE kv.id IN (
    SELECT kp.prev_revision AS id FROM kine AS kp
    WHERE kp.name != 'compact_rev_key' AND kp.prev_revision != 0 AND kp.id > ? AND kp.id <= ?
    UNION
    SELECT kd.id AS id FROM kine AS kd WHERE kd.deleted != 0 AND kd.id > ? AND kd.id <= ?)`;

const LIVE_SLICE = `
  SELECT kv.name, kv.id, kv.deleted, kv.value FROM kine AS kv
  JOIN (SELECT MAX(id) AS id FROM kine WHERE name > ? AND id <= ?
        GROUP BY name ORDER BY name LIMIT ?) AS newest ON newest.id = kv.id
  ORDER BY kv.name`;

type SqlRow = Record<string, SQLOutputValue>;

const whole = (value: SQLOutputValue | undefined): number | null =>
  typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : null;

const cell = (value: SQLOutputValue | undefined): Uint8Array | string | null =>
  value instanceof Uint8Array || typeof value === 'string' ? value : null;

const toRow = (row: SqlRow): KineRow => ({
  id: whole(row.id) ?? 0,
  name: typeof row.name === 'string' ? row.name : null,
  created: whole(row.created),
  deleted: whole(row.deleted),
  createRevision: whole(row.create_revision),
  prevRevision: whole(row.prev_revision),
  lease: whole(row.lease),
  value: cell(row.value),
  oldValue: cell(row.old_value),
});

export class KineTable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  /** Rows with a higher id, ascending, within both bounds; at least one when there is any. */
  after(cursor: number, limit: { maxRows: number; maxBytes: number }): KineRow[] {
    const rows: KineRow[] = [];
    let bytes = 0;
    const select = this.#prepare(`SELECT ${COLUMNS} FROM kine WHERE id > ? ORDER BY id LIMIT ?`);
    // Leaving the loop early closes the iterator, which resets the statement.
    for (const found of select.iterate(cursor, limit.maxRows)) {
      const row = toRow(found);
      rows.push(row);
      bytes += rowBytes(row);
      if (bytes >= limit.maxBytes) break;
    }
    return rows;
  }

  row(id: number): KineRow | null {
    const found = this.#prepare(`SELECT ${COLUMNS} FROM kine WHERE id = ?`).get(id);
    return found === undefined ? null : toRow(found);
  }

  rowDigest(id: number): string | null {
    const row = this.row(id);
    return row === null ? null : digestRow(row);
  }

  /** Highest id, 0 when empty. */
  head(): number {
    return whole(this.#prepare('SELECT MAX(id) AS id FROM kine').get()?.id) ?? 0;
  }

  /** kine's compaction mark and its row's id; 0 and 0 when there is no such row. */
  mark(): { mark: number; markRow: number } {
    const sql = 'SELECT id, prev_revision FROM kine WHERE name = ? ORDER BY prev_revision DESC';
    const found = this.#prepare(`${sql}, id DESC LIMIT 1`).get(COMPACT_ROW_NAME);
    return { mark: whole(found?.prev_revision) ?? 0, markRow: whole(found?.id) ?? 0 };
  }

  /** Sets the mark. A second mark row (a bug of old kine versions) would break the index. */
  setMark(mark: number): void {
    const { markRow } = this.mark();
    this.#prepare('DELETE FROM kine WHERE name = ? AND id != ?').run(COMPACT_ROW_NAME, markRow);
    this.#prepare('UPDATE kine SET prev_revision = ? WHERE id = ?').run(mark, markRow);
  }

  /** kine's compaction rule up to and including `upTo`. Returns the rows removed. */
  compact(upTo: number): number {
    return Number(this.#prepare(COMPACT).run(upTo, upTo).changes);
  }

  /** As `compact(upTo)` for the rows above `after`, when those up to it were compacted before. */
  compactRange(after: number, upTo: number): void {
    this.#prepare(COMPACT_RANGE).run(after, upTo, after, upTo);
  }

  /** Id of the `count`th row above `after` and not above `upTo`; null when there are fewer. */
  nthAfter(after: number, upTo: number, count: number): number | null {
    const sql = 'SELECT id FROM kine WHERE id > ? AND id <= ? ORDER BY id LIMIT 1 OFFSET ?';
    return whole(this.#prepare(sql).get(after, upTo, count - 1)?.id);
  }

  /** Removes the first row that an object ever had, if its id is not above `upTo`. */
  removeFirst(name: string, upTo: number): void {
    const sql = 'DELETE FROM kine WHERE name = ? AND prev_revision = 0 AND id <= ?';
    this.#prepare(sql).run(name, upTo);
  }

  insert(row: KineRow): void {
    this.#prepare(`INSERT INTO kine (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`).run(
      row.id,
      row.name,
      row.created,
      row.deleted,
      row.createRevision,
      row.prevRevision,
      row.lease,
      row.value,
      row.oldValue,
    );
  }

  removeAbove(id: number): number {
    return Number(this.#prepare('DELETE FROM kine WHERE id > ?').run(id).changes);
  }

  removeMarkRows(): void {
    this.#prepare('DELETE FROM kine WHERE name = ?').run(COMPACT_ROW_NAME);
  }

  /** The number that AUTOINCREMENT counts on from. */
  setSequence(id: number): void {
    const update = this.#prepare("UPDATE sqlite_sequence SET seq = ? WHERE name = 'kine'");
    if (Number(update.run(id).changes) > 0) return;
    this.#prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('kine', ?)").run(id);
  }

  liveSlice(revision: number, afterName: string, limit: number): LiveRow[] {
    const rows = this.#prepare(LIVE_SLICE).all(afterName, revision, limit);
    return rows.map((row) => ({
      name: String(row.name),
      id: whole(row.id) ?? 0,
      deleted: (whole(row.deleted) ?? 0) !== 0,
      value: cell(row.value),
    }));
  }

  /** Newest row of a name that is not deleted. */
  live(name: string): KineRow | null {
    const sql = `SELECT ${COLUMNS} FROM kine WHERE name = ? ORDER BY id DESC LIMIT 1`;
    const found = this.#prepare(sql).get(name);
    const row = found === undefined ? null : toRow(found);
    return row === null || row.deleted !== 0 ? null : row;
  }

  /** Live names that begin with `prefix`, in order. */
  namesBelow(prefix: string): string[] {
    const names = this.#prepare(
      'SELECT DISTINCT name FROM kine WHERE name >= ? AND name < ? ORDER BY name',
    ).all(prefix, `${prefix}\u{10ffff}`);
    return names.map((row) => String(row.name)).filter((name) => this.live(name) !== null);
  }
}
