/** The check of a whole file beside the agent: what it says of which file. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { quickCheck, SOUND } from '../../../agent/adapters/datastore/quick-check.ts';

let folder = '';
let path = '';
let database: DatabaseSync;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-check-'));
  path = join(folder, 'some.db');
  database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT)');
  const insert = database.prepare('INSERT INTO rows (text) VALUES (?)');
  for (let count = 0; count < 200; count++) insert.run('x'.repeat(200));
});
afterEach(() => {
  if (database.isOpen) database.close();
  rmSync(folder, { recursive: true, force: true });
});

test('a sound file that is being written is sound', async () => {
  const check = quickCheck(path);
  database.exec("INSERT INTO rows (text) VALUES ('meanwhile')");
  expect(await check.verdict).toBe(SOUND);
  database.exec("INSERT INTO rows (text) VALUES ('and after it')");
});

test('an overwritten page is told in SQLite’s words', async () => {
  database.close();
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0x5a, 4096 * 4, 4096 * 5));
  expect(await quickCheck(path).verdict).toMatch(/malformed|[Pp]age|[Tt]ree/);
});

test('what is no database at all is damage, too', async () => {
  writeFileSync(join(folder, 'other.db'), 'not a database, but long enough to be read as one');
  expect(await quickCheck(join(folder, 'other.db')).verdict).toContain('not a database');
});

test('what could not be looked at counts as sound', async () => {
  expect(await quickCheck(join(folder, 'missing.db')).verdict).toBe(SOUND);
  const stopped = quickCheck(path);
  stopped.stop();
  expect(await stopped.verdict).toBe(SOUND);
});
