/** The master's view of its live datastore: lives of a server, lost wakes, no needless ones. */
import { mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LiveReader } from '../../../agent/adapters/datastore/live-reader.ts';
import { KineServer } from './kine-server.ts';
import { until } from './nodes.ts';

const all = { maxRows: 1000, maxBytes: 1e9 };
let folder = '';
let reader: LiveReader;
let wakes = 0;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-live-'));
  reader = new LiveReader(`${folder}/server/db`);
  wakes = 0;
  reader.onChange(() => {
    wakes++;
    reader.readAfter(0, all);
  });
});
afterEach(() => {
  reader.close();
  rmSync(folder, { recursive: true, force: true });
});
const head = (): number => reader.readAfter(0, all).head;

test('a datastore that the server makes later is found, and each commit wakes', async () => {
  expect(head()).toBe(0);
  const server = new KineServer(folder);
  await until(() => head() === server.head());
  await until(() => wakes > 0);
  const before = wakes;
  server.put('/registry/x', 'x');
  await until(() => wakes > before);
  expect(head()).toBe(server.head());
  server.stop();
});

test('a clean stop removes the WAL, and the next life is seen all the same', async () => {
  const first = new KineServer(folder);
  first.put('/registry/x', 'first life');
  await until(() => head() === first.head());
  first.stop();
  const second = new KineServer(folder);
  second.put('/registry/x', 'second life');
  const before = wakes;
  second.put('/registry/y', 'second life');
  await until(() => wakes > before && head() === second.head());
  second.stop();
});

test('another datastore put in place is read, not the one that was moved away', async () => {
  const first = new KineServer(folder);
  for (let count = 0; count < 9; count++) first.put(`/registry/${count}`, 'old');
  await until(() => head() === first.head());
  first.stop();
  renameSync(`${folder}/server`, `${folder}/quarantined`);
  await until(() => head() === 0);
  const second = new KineServer(folder);
  second.put('/registry/new', 'new');
  await until(() => head() === second.head());
  const before = wakes;
  second.put('/registry/new', 'newer');
  await until(() => wakes > before && head() === second.head());
  second.stop();
});

test('nothing is read while nothing changes, although others read', async () => {
  const server = new KineServer(folder);
  server.put('/registry/x', 'x');
  await until(() => head() === server.head() && wakes > 0);
  // Past the look-again and a poll.
  await sleep(700);
  const before = wakes;
  for (let count = 0; count < 20; count++) server.live();
  await sleep(700);
  expect(wakes).toBe(before);
  server.stop();
});

test('a batch is bounded by rows and by bytes, and always has one row', () => {
  const server = new KineServer(folder);
  for (let count = 0; count < 50; count++) server.put(`/registry/${count}`, 'x'.repeat(1000));
  expect(reader.readAfter(0, { maxRows: 7, maxBytes: 1e9 }).rows).toHaveLength(7);
  const few = reader.readAfter(1, { maxRows: 50, maxBytes: 5000 }).rows;
  expect(few.length).toBeGreaterThan(1);
  expect(few.length).toBeLessThan(8);
  expect(reader.readAfter(1, { maxRows: 50, maxBytes: 1 }).rows).toHaveLength(1);
  server.stop();
});

test('a whole copy is consistent while another process writes', async () => {
  const server = new KineServer(folder);
  for (let count = 0; count < 500; count++) server.put(`/registry/${count}`, 'x'.repeat(500));
  const copying = reader.copyTo(`${folder}/copy.db`);
  server.put('/registry/later', 'later');
  const { bytes, revision } = await copying;
  expect(bytes).toBe(statSync(`${folder}/copy.db`).size);
  expect([server.head(), server.head() - 1]).toContain(revision);
  server.stop();
});
