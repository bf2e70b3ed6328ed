/**
 * Compaction: deleted objects never come back, whatever a receiver slept through; replica and
 * datastore lose the same rows; the live state is proven equal.
 */
import { expect, test } from 'vitest';
import type { KineTable } from '../../../agent/adapters/datastore/kine-table.ts';
import { mustStartOver } from '../../../agent/stream/lineage.ts';
import { milliseconds } from '../../../shared/time/duration.ts';
import { quickLimits, type TestNode, until } from './nodes.ts';
import { streamRig } from './rig.ts';

const rig = streamRig();
const { node, pair, verdicts } = rig;

/** Ids of every row, as the master's or the replica's file has them. */
const ids = (table: KineTable): number[] =>
  table.after(0, { maxRows: 100_000, maxBytes: 1e9 }).map((row) => row.id);
const replicaTable = (of: TestNode): KineTable =>
  // The store itself, not the port: this test looks at rows that no API shows.
  (of.datastore.replica as unknown as { open(): { table: KineTable } }).open().table;

test('a receiver in step removes what kine removes, and moves the mark with it', async () => {
  const [master, receiver] = await pair();
  for (let count = 0; count < 20; count++) master.kine.put(`/registry/x/${count}`, 'second');
  for (let count = 0; count < 5; count++) master.kine.delete(`/registry/x/${count}`);
  const upTo = master.kine.head() - 2;
  master.kine.compact(upTo);
  await until(() => receiver.datastore.replica.mark() === upTo);
  expect(ids(replicaTable(receiver))).toEqual(ids(master.kine.table));
  expect(receiver.live()).toEqual(master.kine.live());
});

test('a receiver that slept through two compactions brings no deleted object back', async () => {
  const [master, receiver] = await pair();
  receiver.restart();
  for (let count = 0; count < 15; count++) master.kine.delete(`/registry/x/${count}`);
  master.kine.compact(master.kine.head());
  for (let count = 0; count < 30; count++) master.kine.put(`/registry/y/${count}`, 'later');
  master.kine.compact(master.kine.head() - 5);
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  expect(receiver.live()).toEqual(master.kine.live());
  expect(receiver.live().has('/registry/x/3')).toBe(false);
  expect(receiver.found('lone-revisions'), 'nothing was only here').toEqual([]);
});

/** A receiver that slept while an object it saw deleted was compacted away and made again. */
const madeAgain = async (): Promise<readonly [TestNode, TestNode]> => {
  const [master, receiver] = await pair();
  master.kine.delete('/registry/x/7');
  master.kine.put('/registry/x/8', 'second');
  await receiver.inStepWith(master);
  receiver.restart();
  // The first row and the tombstone are gone here, so kine writes (name, 0) a second time.
  master.kine.compact(master.kine.head() - 1);
  master.kine.put('/registry/x/7', 'again');
  return [master, receiver];
};

test('an object made again under its old key after a compaction is taken', async () => {
  const [master, receiver] = await madeAgain();
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  expect(receiver.live()).toEqual(master.kine.live());
  expect(ids(replicaTable(receiver))).toEqual(ids(master.kine.table));
});

test('the same after a raise, when the mark itself is still far above', async () => {
  const [master, receiver] = await madeAgain();
  master.stopServing();
  await master.promote(2, 'server', true);
  receiver.follow(master, 2);
  await receiver.inStepWith(master);
  expect(receiver.found('replica-failed')).toEqual([]);
  expect(receiver.live()).toEqual(master.kine.live());
});

test('compaction that overtakes a copy under way starts it over', async () => {
  const master = node('pi1');
  await master.promote(1, 'none', false);
  for (let count = 0; count < 3000; count++)
    master.kine.put(`/registry/x/${count}`, 'v'.repeat(500));
  const receiver = node('pi2');
  receiver.limits = { ...quickLimits };
  receiver.follow(master, 1);
  await until(() => (receiver.datastore.replica.copyCursor() ?? 0) > 0);
  // Objects whose first row has been sent; their tombstones are gone before they are.
  for (let count = 0; count < 15; count++) master.kine.delete(`/registry/x/${count}`);
  master.kine.compact(master.kine.head());
  await receiver.inStepWith(master);
  const resets = rig.network.last().listener.sent.filter((frame) => frame.type === 'reset');
  expect(resets.length).toBeGreaterThan(0);
  expect(receiver.live()).toEqual(master.kine.live());
  expect(receiver.live().has('/registry/x/3')).toBe(false);
});

test('the rule compares the mark with the mark at the start of the copy, not with the head', () => {
  // A copy that began at head 100 with mark 0 and has come to 40; compaction reaches 60: the
  // tombstone 50 of a row that was sent is gone, although 60 is below the head of then.
  expect(mustStartOver(60, 40, 0)).toBe(true);
  expect(mustStartOver(60, 60, 0)).toBe(false);
  expect(mustStartOver(60, 0, 60)).toBe(false);
});

test('compaction before and after a raise: receivers resume, and lose the same rows', async () => {
  const [master, receiver] = await pair();
  const third = node('pi3');
  third.follow(master, 1);
  await third.inStepWith(master);
  for (let count = 0; count < 10; count++) master.kine.put(`/registry/x/${count}`, 'second');
  master.kine.compact(master.kine.head() - 3);
  await receiver.inStepWith(master);
  await third.inStepWith(master);
  await until(() => third.datastore.replica.mark() === master.kine.table.mark().mark);
  await until(() => receiver.datastore.replica.mark() === master.kine.table.mark().mark);
  master.stopServing();

  const { firstRevision } = await receiver.promote(2, 'replica', true);
  third.follow(receiver, 2);
  await third.inStepWith(receiver);
  expect(verdicts()).toEqual(['resume']);
  expect(third.live()).toEqual(receiver.kine.live());

  for (let count = 0; count < 10; count++) receiver.kine.delete(`/registry/x/${count}`);
  receiver.kine.put('/registry/x/newest', 'is never compacted');
  receiver.kine.compact(receiver.kine.head() - 1);
  await until(() => third.datastore.replica.mark() > firstRevision);
  expect(ids(replicaTable(third))).toEqual(ids(receiver.kine.table));

  // The old master slept through that compaction: it holds what was deleted since.
  await master.datastore.retireServer();
  master.follow(receiver, 2);
  await master.inStepWith(receiver);
  expect(master.live()).toEqual(receiver.kine.live());
});

test('a comeback whose own compaction went past the fork is copied anew', async () => {
  const [master, receiver] = await pair();
  receiver.receiver?.follow(null);
  // Only the old master has these; compaction there removes the rows that both had.
  for (let count = 0; count < 10; count++) master.kine.put(`/registry/x/${count}`, 'lone');
  master.kine.put('/registry/x/10', 'lone');
  master.kine.compact(master.kine.head() - 1);
  master.stopServing();
  await receiver.promote(2, 'replica', true);
  await master.datastore.retireServer();
  master.follow(receiver, 2);
  await master.inStepWith(receiver);
  expect(master.live()).toEqual(receiver.kine.live());
  expect(master.live().get('/registry/x/3')).toMatch(/first/);
  expect(master.found('lone-revisions')[0]?.detail).toMatchObject({ rows: 11 });
});

test('the digest proves equality, and a difference ends in an alarm and a fresh copy', async () => {
  const [master, receiver] = await pair();
  master.limits = { ...quickLimits, digestInterval: milliseconds(50) };
  master.stopServing();
  master.serve(1);
  receiver.follow(master, 1);
  await until(() => master.sender?.receivers()[0]?.digest === 'equal');
  // A bit that flipped in RAM: no revision tells of it.
  replicaTable(receiver).row(5);
  const { database } = (
    receiver.datastore.replica as unknown as { open(): { database: { exec(sql: string): void } } }
  ).open();
  database.exec("UPDATE kine SET value = x'00' WHERE id = 5");
  await until(() => master.found('replica-differs').length > 0);
  await until(() => master.sender?.receivers()[0]?.digest === 'equal');
  expect(receiver.live()).toEqual(master.kine.live());
});
