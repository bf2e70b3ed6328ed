/**
 * The power goes at every single step of an installation, and again at every step of the boot
 * that goes on with it: RAM is empty then, and what is on the disk is all there is.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openDatastore } from '../../../agent/adapters/datastore/datastore.ts';
import type { Datastore, InstallOrder } from '../../../agent/stream/api.ts';
import { systemClock } from '../../../shared/adapters/system-clock.ts';
import { withPowerCut } from './dying-disk.ts';
import { KineServer } from './kine-server.ts';

const ROWS = 60;
const SAVED = 20;
// Some thousand syncs of a real disk, which others may be using.
vi.setConfig({ testTimeout: 600_000 });
const clock = systemClock();
let folder = '';
let boots = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-power-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(at: string): Datastore {
  const options = { k3sDataDirectory: `${at}/k3s`, replicaDirectory: `${at}/ram` };
  return openDatastore({
    ...options,
    stateDirectory: `${at}/state`,
    bootId: `boot-${boots}`,
    clock,
  });
}

const order = (epoch: number, from: InstallOrder['from']): InstallOrder => ({
  epoch,
  raise: true,
  previousMaster: 'pi9',
  from,
});

/** A former server that had all rows, and a receiver of its epoch 3; both stopped. */
async function machine(from: 'server' | 'replica'): Promise<string> {
  const path = `${folder}/machine`;
  const store = open(path);
  await store.install({ epoch: 3, raise: false, previousMaster: null, from: 'none' });
  store.serverStarting(3);
  const server = new KineServer(`${path}/k3s`);
  store.startSource();
  const replica = (upTo: number) => {
    const rows = server.table.after(store.replica.cursor().revision, limit);
    store.replica.setLineage([{ epoch: 3, firstRevision: 1, lastTakenOver: 0, markBefore: null }]);
    store.replica.apply(rows.filter(({ id }) => id <= upTo));
  };
  while (server.head() < ROWS) server.put(`/registry/x/${server.head()}`, 'a value');
  if (from === 'replica') {
    replica(SAVED);
    await store.saveReplica('a test');
    replica(ROWS);
  }
  server.stop();
  store.stopSource();
  if (from === 'server') await store.serverStopped();
  store.close();
  if (from === 'replica') {
    rmSync(`${path}/k3s`, { recursive: true });
    rmSync(`${path}/state/server-life.json`);
    mkdirSync(`${path}/k3s`);
  }
  return path;
}

const limit = { maxRows: 1000, maxBytes: 1_000_000 };

/** The same machine with nothing in RAM, after a boot. */
function boot(path: string): Datastore {
  boots++;
  rmSync(`${path}/ram`, { recursive: true, force: true });
  return open(path);
}

/** Epochs of the datastore that k3s would start on; null when there is none. */
function placed(path: string): number[] | null {
  const file = `${path}/k3s/server/db/state.db`;
  if (!existsSync(file)) return null;
  const database = new DatabaseSync(file, { readOnly: true });
  expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  const rows = database.prepare('SELECT COUNT(*) AS rows FROM kine WHERE id <= ?').get(ROWS);
  expect(rows, 'no half tree').toEqual({ rows: ROWS });
  const lineage = database.prepare('SELECT epoch FROM baton_lineage ORDER BY first_revision').all();
  database.close();
  return lineage.map(({ epoch }) => Number(epoch));
}

/** Every copy of the machine in which the power went at one step of an installation. */
async function* cuts(machineAt: string, from: InstallOrder['from']): AsyncGenerator<string> {
  for (let step = 1; ; step++) {
    const path = `${folder}/cut-${step}`;
    cpSync(machineAt, path, { recursive: true });
    const store = open(path);
    const cut = await withPowerCut(step, () => store.install(order(4, from)));
    store.close();
    yield path;
    rmSync(path, { recursive: true });
    if (!cut) return;
  }
}

/** What must hold after any cut; `whole` tells whether all rows had been on the disk. */
async function expectSound(path: string, whole: boolean): Promise<void> {
  const store = boot(path);
  const revision = whole ? ROWS : SAVED;
  expect(store.facts()).toMatchObject({ lineageEpoch: 3, revision, clean: true });
  expect(readdirSync(`${path}/k3s`).filter((name) => name.includes('.baton-'))).toEqual([]);
  const epochs = placed(path);
  // What is there and what it counts as agree: no server was up on it under epoch 4.
  if (epochs !== null) expect(epochs.filter((epoch) => epoch < 4)).toEqual([3]);
  const { source } = store.facts();
  if (source === 'none') throw new TypeError('everything is lost');
  const again = await store.install(order(5, source));
  expect(again).toMatchObject({ ok: true, lastTakenOver: expect.any(Number) });
  expect(store.facts()).toMatchObject({ lineageEpoch: 3, revision });
  if (whole) expect(placed(path)?.at(-1)).toBe(5);
  store.close();
}

const isWaiting = (path: string): boolean => existsSync(`${path}/k3s/server.baton-new/db/state.db`);
const isPlaced = (path: string): boolean => existsSync(`${path}/k3s/server/db/state.db`);

test('a replica that is being installed is there whole, or as it was saved', async () => {
  const at = await machine('replica');
  const seen = new Set<string>();
  for await (const path of cuts(at, 'replica')) {
    const whole = isWaiting(path) || isPlaced(path);
    seen.add(isWaiting(path) ? 'waiting' : isPlaced(path) ? 'placed' : 'building');
    await expectSound(path, whole);
  }
  expect([...seen]).toEqual(['building', 'waiting', 'placed']);
});

test('a tree that k3s has used is in quarantine whenever it is not in its place', async () => {
  const at = await machine('replica');
  for (const name of ['server/tls', 'server/manifests']) {
    mkdirSync(`${at}/k3s/${name}`, { recursive: true });
    writeFileSync(`${at}/k3s/${name}/file`, 'of an earlier life');
  }
  for await (const path of cuts(at, 'replica')) {
    const whole = isWaiting(path) || isPlaced(path);
    await expectSound(path, whole);
    expect(existsSync(`${path}/k3s/baton-quarantine/server-1/tls/file`)).toBe(true);
  }
});

test('files that a person put beside an unused server/ stay', async () => {
  const at = await machine('replica');
  mkdirSync(`${at}/k3s/server/manifests`, { recursive: true });
  writeFileSync(`${at}/k3s/server/manifests/file`, 'own');
  for await (const path of cuts(at, 'replica')) {
    const whole = isWaiting(path) || isPlaced(path);
    await expectSound(path, whole);
    expect(existsSync(`${path}/k3s/server/manifests/file`)).toBe(true);
  }
});

test('an own datastore counts as what was served of it, however far its raise came', async () => {
  const at = await machine('server');
  for await (const path of cuts(at, 'server')) await expectSound(path, true);
});

test('two promotions that never served add nothing', async () => {
  const at = await machine('server');
  const store = open(at);
  await store.install(order(4, 'server'));
  await store.install(order(5, 'server'));
  expect(store.facts()).toMatchObject({ lineageEpoch: 3, revision: ROWS });
  store.close();
});

test('a second cut while the first one is mended loses nothing either', async () => {
  const at = await machine('replica');
  mkdirSync(`${at}/k3s/server/tls`, { recursive: true });
  writeFileSync(`${at}/k3s/server/tls/file`, 'of an earlier life');
  let mended = 0;
  const begun = new Set<boolean>();
  for await (const path of cuts(at, 'replica')) {
    // Once with the former server/ in its place, once with it in quarantine.
    const isThere = existsSync(`${path}/k3s/server`);
    if (!isWaiting(path) || begun.has(isThere)) continue;
    begun.add(isThere);
    for (let step = 1; ; step++) {
      const again = `${folder}/again`;
      cpSync(path, again, { recursive: true });
      rmSync(`${again}/ram`, { recursive: true });
      boots++;
      const cut = await withPowerCut(step, () => open(again).close());
      await expectSound(again, true);
      expect(existsSync(`${again}/k3s/baton-quarantine/server-1/tls/file`)).toBe(true);
      rmSync(again, { recursive: true });
      mended++;
      if (!cut) break;
    }
  }
  expect([...begun]).toEqual([true, false]);
  expect(mended).toBeGreaterThan(20);
});

test('what was put in place without ever serving needs the archive for its token', async () => {
  const at = await machine('replica');
  for await (const path of cuts(at, 'replica')) {
    if (!isWaiting(path)) continue;
    const store = boot(path);
    expect(store.facts().source).toBe('server');
    const installed = await store.install(order(5, 'server'));
    expect(installed).toMatchObject({ ok: true, needsArchive: true });
    // The token is checked against the rows of the replica.
    expect(store.replica.position()).toEqual({ lineageEpoch: 3, revision: ROWS });
    store.startSource();
    store.stopSource();
    expect(await store.install(order(6, 'server'))).toMatchObject({ needsArchive: false });
    store.close();
  }
});

test('an agent that alone was killed goes on with the replica that it holds', async () => {
  const at = await machine('replica');
  let kept = 0;
  for await (const path of cuts(at, 'replica')) {
    const waiting = isWaiting(path);
    const store = open(path);
    expect(store.facts()).toMatchObject({ lineageEpoch: 3, revision: ROWS, clean: true });
    expect(existsSync(`${path}/k3s/server.baton-new`)).toBe(false);
    // The replica may turn out to be damaged: only then is this copy worth something.
    const inQuarantine = existsSync(`${path}/k3s/baton-quarantine/server-1/db/state.db`);
    expect(inQuarantine).toBe(waiting);
    if (waiting) kept++;
    store.close();
  }
  expect(kept).toBeGreaterThan(0);
});
