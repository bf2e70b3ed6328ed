/** What disks, peers and newer kines can do to the stream, and what becomes of it. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeRows, encodeRows } from '../../../agent/stream/rows.ts';
import { parseStreamFrame } from '../../../agent/stream/stream-frames.ts';
import { milliseconds } from '../../../shared/time/duration.ts';
import { quickLimits, until } from './nodes.ts';
import { streamRig } from './rig.ts';

const rig = streamRig();
const { node, pair } = rig;

test('a damaged old server goes to quarantine and does not replace a good replica', async () => {
  const [master, receiver] = await pair();
  const old = `${receiver.folder}/k3s/server/db`;
  mkdirSync(old, { recursive: true });
  await master.source?.copyTo(`${old}/state.db`);
  const database = new DatabaseSync(`${old}/state.db`);
  database.exec("INSERT INTO kine (name, created) VALUES ('/registry/x/newer', 1)");
  database.close();
  const bytes = readFileSync(`${old}/state.db`);
  bytes.fill(0x5a, bytes.length - 4096 * 5, bytes.length - 4096 * 2);
  writeFileSync(`${old}/state.db`, bytes);
  receiver.receiver?.follow(null);
  const before = receiver.live();
  const retired = await receiver.datastore.retireServer();
  expect(retired).toMatchObject({ kind: 'quarantined', seeded: false });
  expect(receiver.live()).toEqual(before);
  expect(receiver.datastore.findings().map((each) => each.code)).toEqual(['server-quarantined']);
});

test('a node without a replica is not promoted, and keeps what it has', async () => {
  const [, receiver] = await pair();
  const empty = node('pi9');
  const result = await empty.datastore.install({
    epoch: 9,
    raise: true,
    previousMaster: 'pi1',
    from: 'replica',
  });
  expect(result).toMatchObject({ ok: false });
  expect(existsSync(`${empty.folder}/k3s/server`)).toBe(false);
  expect(receiver.datastore.facts().source).toBe('replica');
});

test('an own datastore that cannot be read is never replaced by an empty cluster', async () => {
  const alone = node('pi1');
  await alone.promote(1, 'none', false);
  alone.kine.put('/registry/x/only', 'copy');
  alone.stopServing();
  const path = `${alone.folder}/k3s/server/db/state.db`;
  const whole = readFileSync(path);
  writeFileSync(path, Buffer.from(whole).fill(0x5a, 0, 4096));
  alone.restart('boot-2');
  // Not nothing, or another node without rows would begin an empty cluster; and behind all else.
  const least = { lineageEpoch: 1, revision: 1, clean: false, source: 'server' };
  expect(alone.datastore.facts()).toEqual(least);
  const order = { epoch: 2, raise: true, previousMaster: null, from: 'none' } as const;
  const refused = { ok: false, detail: expect.stringContaining('cannot be read') };
  for (const from of ['none', 'server'] as const) {
    expect(await alone.datastore.install({ ...order, from })).toMatchObject(refused);
  }
  expect(readFileSync(path)).toHaveLength(whole.length);
  expect(existsSync(`${alone.folder}/k3s/baton-quarantine`)).toBe(false);

  rmSync(path);
  expect(await alone.datastore.install(order)).toMatchObject({
    ok: false,
    detail: expect.stringContaining('is gone'),
  });
  // Restored, it is what the server starts on.
  writeFileSync(path, whole);
  alone.restart('boot-2');
  expect(alone.datastore.facts()).toMatchObject({ source: 'server', lineageEpoch: 1 });
  // And by the operator's hand an empty one may begin.
  rmSync(path);
  rmSync(`${alone.folder}/state/server-life.json`);
  expect(await alone.datastore.install(order)).toMatchObject({ ok: true, lastTakenOver: 0 });
});

test('rows that cannot be saved are not cut off', async () => {
  const [, receiver] = await pair();
  receiver.receiver?.follow(null);
  const { replica } = receiver.datastore;
  const { revision } = replica.cursor();
  const before = receiver.live();
  mkdirSync(`${receiver.folder}/state`, { recursive: true });
  // No folder can be made where a file lies.
  writeFileSync(`${receiver.folder}/state/cut-off`, '');
  expect(() => replica.cutBack(revision - 5, 'a test')).toThrow(/cut the replica back/);
  expect(() => replica.beginCopy([], revision - 5, 'a test')).toThrow(/begin a new copy/);
  expect(replica.cursor().revision).toBe(revision);
  expect(receiver.live()).toEqual(before);

  rmSync(`${receiver.folder}/state/cut-off`);
  expect(replica.cutBack(revision - 5, 'a test')).toMatchObject({ rows: 5 });
  expect(replica.cursor().revision).toBe(revision - 5);
});

test('rows altered on their way end the connection, and the next one is right', async () => {
  const [master, receiver] = await pair();
  const { listener } = rig.network.last();
  listener.tamper = (frame) =>
    frame.type === 'batch' ? { ...frame, body: frame.body.subarray(0, -1) } : frame;
  master.kine.put('/registry/x/new', 'new');
  await receiver.inStepWith(master);
  expect(rig.network.dialled.length).toBeGreaterThan(1);
  expect(receiver.live()).toEqual(master.kine.live());
});

test('a batch that was lost on its way is found missing by the one after it', async () => {
  const [master, receiver] = await pair();
  const { listener } = rig.network.last();
  let dropped = 0;
  listener.tamper = (frame) => (frame.type === 'batch' && dropped++ === 0 ? null : frame);
  master.kine.put('/registry/x/one', 'one');
  await until(() => dropped > 0);
  master.kine.put('/registry/x/two', 'two');
  await receiver.inStepWith(master);
  await until(() => receiver.live().has('/registry/x/one'));
  expect(receiver.live()).toEqual(master.kine.live());
});

test('a witness proves its key on the same port, and gets nothing', async () => {
  const [master] = await pair();
  const witness = node('witness');
  witness.follow(master, 1);
  await until(() => witness.receiver?.state().lastProblem?.includes('may become master') ?? false);
  expect(witness.datastore.replica.position().revision).toBe(0);
  expect(master.sender?.receivers().map((each) => each.node)).toEqual(['pi2']);
});

test('a schema that nobody knows is carried by whole copies, loudly', async () => {
  const [master, receiver] = await pair();
  master.limits = {
    ...quickLimits,
    wholeCopyInterval: milliseconds(30),
    silenceLimit: milliseconds(90),
  };
  master.stopServing();
  master.serve(1);
  receiver.follow(master, 1);
  await until(() => receiver.receiver?.state().phase === 'streaming');
  master.kine.database.exec('ALTER TABLE kine ADD COLUMN novelty TEXT');
  await until(() => receiver.found('schema-unknown').length > 0);
  await until(() => receiver.datastore.replica.position().revision === master.kine.head());
  master.kine.put('/registry/x/whole', 'whole');
  await until(() => receiver.datastore.replica.position().revision === master.kine.head());
  expect(master.found('schema-unknown'), 'the master says so too').not.toEqual([]);
  const values = master.kine.live();
  master.stopServing();
  receiver.receiver?.follow(null);
  expect(receiver.datastore.facts()).toMatchObject({ source: 'replica' });
  const installed = await receiver.datastore.install({
    epoch: 2,
    raise: true,
    previousMaster: 'pi1',
    from: 'replica',
  });
  expect(installed).toMatchObject({ ok: true });
  const path = `${receiver.folder}/k3s/server/db/state.db`;
  const database = new DatabaseSync(path, { readOnly: true });
  const found = database
    .prepare('SELECT novelty FROM kine WHERE name = ?')
    .all('/registry/x/whole');
  database.close();
  expect(found).toHaveLength(1);
  expect(values.has('/registry/x/whole')).toBe(true);
});

test('a replica that was saved comes back after a boot', async () => {
  const [master, receiver] = await pair();
  await receiver.datastore.saveReplica('hourly');
  const at = receiver.datastore.replica.position();
  receiver.receiver?.close();
  receiver.receiver = null;
  receiver.datastore.close();
  rmSync(`${receiver.folder}/replica`, { recursive: true });
  receiver.restart('boot-2');
  expect(receiver.datastore.replica.position()).toEqual(at);
  master.kine.put('/registry/x/more', 'more');
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  const answers = rig.network.last().listener.sent.filter((frame) => frame.type === 'lineage');
  expect(answers.map((frame) => frame.header)).toMatchObject([{ verdict: 'resume' }]);
});

test('no bytes and no header make the parsers throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const rows = decodeRows(bytes);
      if (rows !== null) expect(encodeRows(rows)).toEqual(Buffer.from(bytes));
    }),
  );
  const types = ['hello', 'lineage', 'reset', 'batch', 'mark', 'ack', 'digest', 'archive', 'x'];
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.jsonValue(), (type, header) => {
      parseStreamFrame({ type, header, body: new Uint8Array(0) });
    }),
  );
});

test('rows survive their encoding', () => {
  const cell = fc.oneof(
    fc.constant(null),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  const number = fc.option(fc.maxSafeInteger());
  const row = fc.record({
    name: fc.option(fc.string()),
    created: number,
    deleted: number,
    createRevision: number,
    prevRevision: number,
    lease: number,
    value: cell,
    oldValue: cell,
  });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 5 }), (given) => {
      const rows = given.map((each, index) => ({ id: index + 1, ...each }));
      expect(decodeRows(encodeRows(rows))).toEqual(rows);
    }),
  );
});
