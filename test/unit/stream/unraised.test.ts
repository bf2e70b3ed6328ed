/** A start that should have been raised and could not be: it must be seen, for numbers repeat. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatastore } from '../../../agent/adapters/datastore/datastore.ts';
import type { InstallOrder } from '../../../agent/stream/api.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-unraised-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const order: InstallOrder = { epoch: 3, raise: true, previousMaster: null, from: 'server' };

function withServer(schema: string) {
  mkdirSync(`${folder}/k3s/server/db`, { recursive: true });
  const database = new DatabaseSync(`${folder}/k3s/server/db/state.db`);
  database.exec(schema);
  database.close();
  return openDatastore({
    k3sDataDirectory: `${folder}/k3s`,
    replicaDirectory: `${folder}/replica`,
    stateDirectory: `${folder}/state`,
    bootId: 'boot-1',
    clock: fakeClock(),
  });
}

test('an unknown schema is started without the raise, and says so until the next one', async () => {
  const datastore = withServer('CREATE TABLE kine (id INTEGER PRIMARY KEY, shape TEXT)');
  expect((await datastore.install(order)).ok).toBe(true);
  expect(datastore.findings()).toMatchObject([{ code: 'schema-unknown' }]);
  expect(datastore.findings()[0]?.text).toContain('without the raise');
  await datastore.install({ ...order, epoch: 4, raise: false });
  expect(datastore.findings()).toEqual([]);
  datastore.close();
});

test('64: an empty datastore is raised as well, for what is lost had numbers', async () => {
  const datastore = openDatastore({
    k3sDataDirectory: `${folder}/k3s`,
    replicaDirectory: `${folder}/replica`,
    stateDirectory: `${folder}/state`,
    bootId: 'boot-1',
    clock: fakeClock(),
  });
  const installed = await datastore.install({ ...order, from: 'none' });
  expect(installed).toMatchObject({ ok: true, firstRevision: 30_000_000_000 });
  datastore.close();
});
