/**
 * A saved replica that cannot be read, and RAM without room for one: the node starts all the same,
 * says so, does not pass for an empty one, and holds a replica again as soon as it can.
 */
import { spawnSync } from 'node:child_process';
import fs, {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { streamRig } from './rig.ts';

const { pair, node } = streamRig();
const { copyFileSync } = fs;
afterEach(() => {
  fs.copyFileSync = copyFileSync;
  syncBuiltinESMExports();
});

/** A card that fails below the file. */
const failingCard = (): void => {
  fs.copyFileSync = () => {
    throw Object.assign(new Error('EIO: i/o error, copyfile'), { code: 'EIO' });
  };
  syncBuiltinESMExports();
};
const order = { epoch: 2, raise: true, previousMaster: null, from: 'replica' } as const;
/** A link to what is not there. */
const noPlace = (folder: string): void => {
  rmSync(`${folder}/replica`, { recursive: true });
  symlinkSync(`${folder}/later`, `${folder}/replica`);
};
const least = { lineageEpoch: 0, revision: 1, clean: true, source: 'replica' };
const codes = (found: readonly { code: string }[]): string[] => found.map(({ code }) => code);

test.each<[string, (path: string) => void]>([
  ['a directory in its place', (path) => [rmSync(path), mkdirSync(path)]],
  ['a card that fails', failingCard],
  ['what is no database', (path) => writeFileSync(path, 'x'.repeat(9000))],
  [
    'a page inside that is overwritten',
    (path) => writeFileSync(path, readFileSync(path).fill(0x5a, 4096 * 12, 4096 * 15)),
  ],
])('a saved replica that cannot be read is kept: %s', async (_what, spoil) => {
  const [master, receiver] = await pair();
  await receiver.datastore.saveReplica('a test');
  const { folder } = receiver;
  rmSync(`${folder}/replica`, { recursive: true });
  spoil(`${folder}/state/replica.db`);
  receiver.restart('boot-2');
  await receiver.datastore.checked();
  expect(codes(receiver.datastore.findings())).toContain('replica-damaged');
  expect(existsSync(`${folder}/state/replica.db`)).toBe(false);
  expect(existsSync(`${folder}/state/replica.aside-1.db`)).toBe(true);
  expect(receiver.datastore.facts(), 'it has had rows').toEqual(least);
  const refused = { ok: false, detail: expect.stringContaining('no empty cluster is begun') };
  expect(await receiver.datastore.install(order)).toMatchObject(refused);

  fs.copyFileSync = copyFileSync;
  syncBuiltinESMExports();
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  expect(receiver.live()).toEqual(master.kine.live());
  await receiver.datastore.saveReplica('a test');
  rmSync(`${folder}/replica`, { recursive: true });
  receiver.restart('boot-3');
  expect(receiver.datastore.facts()).toMatchObject({ lineageEpoch: 1, revision: 301 });
});

test('a saved replica that finds no place in RAM waits there for it', async () => {
  const [, receiver] = await pair();
  await receiver.datastore.saveReplica('a test');
  const { folder } = receiver;
  noPlace(folder);
  receiver.restart('boot-2');
  const { datastore } = receiver;
  expect(codes(datastore.findings())).toEqual(['replica-failed', 'replica-failed']);
  expect(datastore.facts()).toEqual(least);
  expect(await datastore.loadSaved()).toBe(false);
  expect(datastore.savedWaits()).toBe(true);
  mkdirSync(`${folder}/later`);
  expect(await datastore.loadSaved()).toBe(true);
  expect(datastore.facts()).toMatchObject({ lineageEpoch: 1, source: 'replica' });
  expect([datastore.savedWaits(), datastore.findings()]).toEqual([false, []]);
});

test('and is kept when a newer history comes before there is room', async () => {
  const [master, receiver] = await pair();
  await receiver.datastore.saveReplica('a test');
  const { folder } = receiver;
  const rows = readFileSync(`${folder}/state/replica.db`);
  noPlace(folder);
  receiver.restart('boot-2');
  mkdirSync(`${folder}/later`);
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  await receiver.datastore.saveReplica('a test');
  expect(readFileSync(`${folder}/state/replica.aside-1.db`).equals(rows)).toBe(true);
  const kept = expect.stringContaining('kept as');
  expect(receiver.datastore.findings()).toEqual([{ code: 'replica-failed', text: kept }]);
  expect(receiver.datastore.savedWaits()).toBe(false);
});

test('one that was set aside is not told of a node whose server runs', async () => {
  const [master, receiver] = await pair();
  await receiver.datastore.saveReplica('a test');
  rmSync(`${receiver.folder}/replica`, { recursive: true });
  failingCard();
  receiver.restart('boot-2');
  await receiver.datastore.checked();
  expect(codes(receiver.datastore.findings())).toEqual(['replica-damaged']);
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  receiver.datastore.serverStarting(2);
  expect(await receiver.datastore.install(order)).toMatchObject({ ok: true });
  receiver.datastore.startSource();
  expect(receiver.datastore.findings()).toEqual([]);
});

test('nor is it forgotten by an agent that starts again beside its empty file', async () => {
  const [, receiver] = await pair();
  await receiver.datastore.saveReplica('a test');
  rmSync(`${receiver.folder}/replica`, { recursive: true });
  fs.copyFileSync = () => {
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  };
  syncBuiltinESMExports();
  receiver.restart('boot-2');
  receiver.restart();
  expect(receiver.datastore.facts()).toEqual(least);
  expect(await receiver.datastore.loadSaved()).toBe(true);
  expect(receiver.datastore.facts()).toMatchObject({ lineageEpoch: 1, source: 'replica' });
});

test('a node that could hold nothing receives once it can', async () => {
  const [master] = await pair();
  const late = node('pi3');
  late.datastore.close();
  noPlace(late.folder);
  late.restart();
  expect(late.datastore.facts().source).toBe('none');
  expect(codes(late.datastore.findings())).toEqual(['replica-failed']);
  mkdirSync(`${late.folder}/later`);
  late.follow(master, 1);
  await late.inStepWith(master);
  expect(late.live()).toEqual(master.kine.live());
  expect(late.datastore.findings()).toEqual([]);
});

const canMount = spawnSync('unshare', ['-rm', 'true']).status === 0;
test.runIf(canMount)('the replica leaves an eighth of a small file system to others', () => {
  const module = join(import.meta.dirname, '../../../agent/adapters/datastore/room.ts');
  const script = `const { ensureRoom } = await import('${module}');
    for (const kib of [200, 890, 900]) {
      try { ensureRoom('/mnt', kib * 1024); console.log(kib); }
      catch (error) { console.log(error.code); }
    }`;
  const mount = 'mount -t tmpfs -o size=1m tmpfs /mnt && exec "$@"';
  const node = [process.execPath, '--input-type=module', '-e', script];
  const { stdout } = spawnSync('unshare', ['-rm', 'sh', '-c', mount, 'sh', ...node]);
  expect(String(stdout)).toBe('200\n890\ndisk-full\n');
});
