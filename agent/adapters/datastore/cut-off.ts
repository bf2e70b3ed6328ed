/**
 * Saves rows before they are removed: they may be the only copy. The file is an SQLite database
 * with the same columns, synced, so that a person can look with any SQLite tool; beside it a list
 * of the objects and who wrote them. Never merged by itself, never deleted by baton.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { CutOff } from '../../stream/api.ts';
import { COMPACT_ROW_NAME } from '../../stream/digest.ts';
import { writersOf } from './object-names.ts';

const LISTED = 50;

/** A name that is not taken: two cuts may begin and end alike. */
const freePath = (directory: string, stem: string): string => {
  for (let count = 0; ; count++) {
    const path = `${directory}/${stem}${count === 0 ? '' : `-${count}`}.db`;
    if (!existsSync(path)) return path;
  }
};

/** Copies the rows above `keep` to a new file in `directory`; null when there are none. */
export const saveCutOff = (
  database: DatabaseSync,
  keep: number,
  epoch: number,
  directory: string,
): CutOff | null => {
  const found = database
    .prepare('SELECT COUNT(*) AS rows, MIN(id) AS first, MAX(id) AS last FROM kine WHERE id > ?')
    .get(keep);
  const rows = Number(found?.rows ?? 0);
  if (rows === 0) return null;
  const first = Number(found?.first);
  const last = Number(found?.last);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = freePath(directory, `cut-off-epoch${epoch}-${first}-${last}`);
  database.prepare('ATTACH DATABASE ? AS cut').run(file);
  try {
    database.exec('PRAGMA cut.synchronous = FULL');
    database.exec('CREATE TABLE cut.kine AS SELECT * FROM main.kine WHERE 0');
    database.prepare('INSERT INTO cut.kine SELECT * FROM main.kine WHERE id > ?').run(keep);
    database.exec('DETACH DATABASE cut');
  } catch (error) {
    // Tried again soon, perhaps for hours on a full disk: no heap of unfinished files.
    database.exec('DETACH DATABASE cut');
    rmSync(file, { force: true });
    throw error;
  }
  const objects = list(database, keep);
  const saved = { file, rows, firstRevision: first, lastRevision: last, objects };
  // For people without an SQLite tool; the rows themselves are on the disk by now.
  writeFileSync(`${file}.json`, `${JSON.stringify(saved, null, 2)}\n`, { mode: 0o600 });
  return saved;
};

const list = (database: DatabaseSync, keep: number): CutOff['objects'] =>
  database
    .prepare(
      'SELECT name, id, COALESCE(value, old_value) AS value FROM kine ' +
        "WHERE id > ? AND name != ? AND name NOT LIKE 'gap-%' ORDER BY id LIMIT ?",
    )
    .all(keep, COMPACT_ROW_NAME, LISTED)
    .map((row) => {
      const value = row.value;
      const known = value instanceof Uint8Array || typeof value === 'string' ? value : null;
      return {
        name: String(row.name),
        revision: Number(row.id),
        writers: writersOf(known),
      };
    });
