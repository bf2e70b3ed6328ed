/** Promotions: raise, cut-back, comebacks, forks from one point. Numbers are never shared. */

import { readdirSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { until } from './nodes.ts';
import { streamRig } from './rig.ts';

const { node, cluster, pair, verdicts } = streamRig();

test('a raised start leaves a gap, the mark is below the filler, records are gone', async () => {
  const [master, receiver] = await pair();
  master.kine.put('/registry/masterleases/10.0.0.1', 'address');
  await receiver.inStepWith(master);
  const last = master.kine.head();
  master.stopServing();
  const installed = await receiver.promote(2, 'replica', true);
  expect(installed.lastTakenOver).toBe(last);
  expect(installed.firstRevision).toBe(20_000_000_000);
  const { table } = receiver.kine;
  expect(table.row(installed.firstRevision)).toMatchObject({ deleted: 1, created: 0 });
  expect(table.mark().mark).toBe(installed.firstRevision - 1);
  expect(table.namesBelow('/registry/masterleases/')).toEqual([]);
  expect(table.row(installed.firstRevision + 1)).toMatchObject({
    name: '/registry/masterleases/10.0.0.1',
    deleted: 1,
  });
  expect(receiver.kine.put('/registry/x/next', 'next')).toBe(installed.firstRevision + 2);
});

test('a planned handover in step goes on with the next number', async () => {
  const [master, receiver] = await pair();
  const last = master.kine.head();
  master.stopServing();
  const installed = await receiver.promote(2, 'replica', false);
  expect(installed).toMatchObject({ firstRevision: last + 1, lastTakenOver: last });
  expect(receiver.kine.put('/registry/x/next', 'next')).toBe(last + 1);
  expect(receiver.kine.table.mark().mark).toBe(0);
});

test('an old master that was ahead is cut back, and its rows are saved', async () => {
  const [master, receiver] = await pair();
  const common = master.kine.head();
  receiver.receiver?.follow(null);
  for (let count = 0; count < 7; count++) master.kine.put(`/registry/lone/${count}`, 'only here');
  master.stopServing();
  await receiver.promote(2, 'replica', true);
  receiver.kine.put('/registry/x/1', 'second');

  expect(await master.datastore.retireServer()).toMatchObject({
    kind: 'quarantined',
    position: { lineageEpoch: 1, revision: common + 7 },
    seeded: true,
  });
  master.follow(receiver, 2);
  await master.inStepWith(receiver);
  expect(verdicts()).toEqual(['cut', 'resume']);
  expect(master.live()).toEqual(receiver.kine.live());
  const [lone] = master.found('lone-revisions');
  expect(lone?.detail).toMatchObject({ rows: 7, firstRevision: common + 1 });
  const saved = new DatabaseSync(String(lone?.detail?.file), { readOnly: true });
  const rows = saved.prepare('SELECT name FROM kine ORDER BY id').all();
  saved.close();
  expect(rows.map((row) => row.name)).toEqual(
    Array.from({ length: 7 }, (_, count) => `/registry/lone/${count}`),
  );
  const [lost] = receiver.found('lost-revisions');
  expect(lost?.detail).toMatchObject({ receiver: 'pi1', revisions: 7 });
});

test('two receivers promoted one after the other from one point never share a number', async () => {
  const [first, second, third] = await cluster('pi1', 'pi2', 'pi3');
  first.stopServing();
  await second.promote(2, 'replica', true);
  for (let count = 0; count < 5; count++) second.kine.put(`/registry/fork/${count}`, 'of pi2');
  const forked = second.kine.head();
  second.stopServing();
  await third.promote(3, 'replica', true);
  for (let count = 0; count < 5; count++) third.kine.put(`/registry/fork/${count}`, 'of pi3');
  expect(third.kine.table.row(forked)).toBeNull();

  await second.datastore.retireServer();
  second.follow(third, 3);
  await second.inStepWith(third);
  expect(verdicts()).toEqual(['cut', 'resume']);
  expect(second.live()).toEqual(third.kine.live());
  await first.datastore.retireServer();
  first.follow(third, 3);
  await first.inStepWith(third);
  expect(verdicts()).toEqual(['resume']);
  expect(first.live()).toEqual(third.kine.live());
});

test('a master that lost its last rows and used their numbers again is found out', async () => {
  const [master, receiver] = await pair();
  // A power cut: the WAL's end was never on the disk; the agent wrongly starts without a raise.
  const last = master.kine.head();
  master.kine.database.exec(`DELETE FROM kine WHERE id > ${last - 10}`);
  master.kine.table.setSequence(last - 10);
  receiver.restart();
  for (let count = 0; count < 20; count++) master.kine.put(`/registry/again/${count}`, 'reused');
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  expect(verdicts()).toEqual(['copy']);
  expect(receiver.live()).toEqual(master.kine.live());
  expect(receiver.found('lone-revisions')).toHaveLength(1);
});

test('a master that comes back behind its receivers loses them nothing silently', async () => {
  const [master, receiver] = await pair();
  const last = master.kine.head();
  master.kine.database.exec(`DELETE FROM kine WHERE id > ${last - 10}`);
  master.kine.table.setSequence(last - 10);
  receiver.restart();
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  expect(receiver.live()).toEqual(master.kine.live());
  const [lone] = receiver.found('lone-revisions');
  expect(lone?.detail).toMatchObject({ rows: 10, lastRevision: last });
});

test('an unclean boot is a lossy start, a crash or an orderly stop is not', async () => {
  const [master] = await pair();
  const clean = (): boolean => master.datastore.facts().clean;
  expect(clean()).toBe(true);
  master.stopServing();
  master.restart();
  expect(clean(), 'the process alone was restarted').toBe(true);
  master.restart('boot-2');
  expect(master.datastore.facts()).toMatchObject({ source: 'server', clean: false });
  await master.promote(2, 'server', true);
  master.stopServing();
  await master.datastore.serverStopped();
  master.restart('boot-3');
  expect(clean(), 'stopped in order').toBe(true);
});

test('a raise in one’s own datastore is told from the rows before', async () => {
  const [master, receiver] = await pair();
  const before = master.kine.head();
  master.stopServing();
  const installed = await master.promote(2, 'server', true);
  expect(installed).toMatchObject({ lastTakenOver: before, firstRevision: 20_000_000_000 });
  receiver.follow(master, 2);
  await receiver.inStepWith(master);
  expect(verdicts(), 'nothing was removed: no new copy').toEqual(['resume']);
  expect(receiver.live()).toEqual(master.kine.live());
  await until(() => master.sender?.receivers()[0]?.lagRevisions === 0);
});

test('a position asked for while a server is retired is not remembered afterwards', async () => {
  const old = node('old');
  await old.promote(1, 'none', false);
  old.kine.put('/registry/old/life', 'old');
  old.stopServing();
  const retiring = old.datastore.retireServer();
  expect(old.datastore.facts().source).toBe('server');
  await retiring;
  expect(old.datastore.facts().source).toBe('replica');
});

test('a server left over from an earlier life is set aside as a whole', async () => {
  const [master, receiver] = await pair();
  const old = node('old');
  await old.promote(1, 'none', false);
  old.kine.put('/registry/old/life', 'old');
  old.stopServing();
  const retired = await old.datastore.retireServer();
  expect(retired).toMatchObject({ kind: 'quarantined', seeded: true });
  expect(await old.datastore.retireServer()).toEqual({ kind: 'nothing' });
  old.follow(master, 1);
  await old.inStepWith(master);
  expect(old.live()).toEqual(master.kine.live());
  expect(readdirSync(`${old.folder}/k3s/baton-quarantine`)).toEqual(['server-1']);
  receiver.receiver?.follow(null);
  await until(() => master.sender?.receivers().some((each) => !each.connected) ?? false);
});

test('a promotion that never got a server up does not outrank those who hold more', async () => {
  const [master, receiver] = await pair();
  const at = receiver.datastore.replica.position();
  master.stopServing();
  await receiver.install(2, 'replica', true);
  expect(receiver.datastore.facts()).toMatchObject({ ...at, clean: true });
  receiver.datastore.serverStarting(2);
  receiver.restart();
  expect(receiver.datastore.facts()).toMatchObject({ ...at, clean: true });
  await receiver.datastore.retireServer();
  expect(receiver.datastore.facts()).toMatchObject({ ...at, source: 'replica' });
});

test('nor does it after a boot, when RAM is empty and its server/ is all there is', async () => {
  const [master, receiver] = await pair();
  const at = receiver.datastore.replica.position();
  await receiver.install(2, 'replica', true);
  receiver.datastore.serverStarting(2);
  receiver.receiver?.close();
  receiver.receiver = null;
  receiver.datastore.close();
  rmSync(`${receiver.folder}/replica`, { recursive: true });
  receiver.restart('boot-2');
  expect(receiver.datastore.facts()).toMatchObject({ ...at, source: 'server', clean: true });
  expect(await receiver.datastore.retireServer()).toMatchObject({ seeded: true });
  expect(receiver.datastore.facts()).toMatchObject({ ...at, source: 'replica' });
  receiver.highestEpoch = 1;
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  expect(verdicts()).toEqual(['resume']);
  expect(receiver.live()).toEqual(master.kine.live());
});
