/**
 * The revision stream on real kine under a real API server: what a receiver misses, what a master
 * lost, and what two promotions from one point do to each other.
 */
import { statSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { archiveStore } from '../../agent/adapters/archive.ts';
import { controlPlanePath } from '../control-plane/real/build.mjs';
import { liveObjects } from '../unit/stream/kine-server.ts';
import { LoopbackNetwork } from '../unit/stream/loopback.ts';
import { TestNode, until } from '../unit/stream/nodes.ts';
import { endAll, quickCompaction, StandIn } from './stand-in.ts';

const token = 'a-token-for-the-stream';
let binary = '';
let network = new LoopbackNetwork();
let nodes: TestNode[] = [];

beforeAll(async () => {
  const built = await controlPlanePath();
  if (!built.ok) throw new TypeError(built.reason);
  binary = built.path;
}, 1_500_000);
afterEach(() => {
  endAll();
  for (const each of nodes) each.close();
  nodes = [];
  network = new LoopbackNetwork();
});
afterAll(endAll);

const node = (name: string): TestNode => {
  const made = new TestNode(name, network);
  made.archives = archiveStore({
    k3sDataDirectory: `${made.folder}/k3s`,
    k3sConfigDirectory: `${made.folder}/etc`,
    stateDirectory: `${made.folder}/state`,
    tokenFile: `${made.folder}/etc/token`,
  });
  nodes.push(made);
  return made;
};

/** Installs, puts the archive in place, starts the real server and sends. */
const serve = async (
  on: TestNode,
  epoch: number,
  from: 'none' | 'replica' | 'server',
  raise: boolean,
  environment: Readonly<Record<string, string>> = {},
): Promise<StandIn> => {
  await on.install(epoch, from, raise);
  if (from === 'replica') {
    expect(await on.archives?.install(on.datastore.replica)).toMatchObject({ ok: true });
  }
  on.datastore.serverStarting(epoch);
  const server = await StandIn.start(binary, `${on.folder}/k3s`, token, environment);
  on.send(epoch);
  return server;
};

const liveOf = (master: TestNode): Map<string, string> => {
  if (master.source === null) throw new TypeError(`${master.name} sends nothing`);
  return liveObjects(master.source);
};
const headOf = (master: TestNode) =>
  master.source?.readAfter(Number.MAX_SAFE_INTEGER, { maxRows: 1, maxBytes: 1 }) ?? {
    head: 0,
    mark: 0,
    effectiveMark: 0,
  };
/** Quiet enough to compare: the API server renews a record of its own every ten seconds. */
const equal = async (receiver: TestNode, master: TestNode): Promise<void> => {
  for (;;) {
    const { head } = headOf(master);
    await until(() => receiver.datastore.replica.position().revision >= head);
    if (receiver.receiver?.state().phase !== 'streaming') continue;
    const [ours, theirs] = [receiver.live(), liveOf(master)];
    if (headOf(master).head === receiver.datastore.replica.position().revision) {
      expect(ours).toEqual(theirs);
      return;
    }
  }
};
const archived = (receiver: TestNode): Promise<void> =>
  until(() => receiver.archives?.heldId() !== null);
const die = async (master: TestNode, server: StandIn): Promise<void> => {
  await server.end('SIGKILL');
  master.stopServing();
};

test('a receiver that sleeps through two compactions does not revive deleted objects', async () => {
  const [pi1, pi2] = [node('pi1'), node('pi2')];
  const server = await serve(pi1, 1, 'none', false, quickCompaction);
  for (let count = 0; count < 15; count++) await server.create(`doomed-${count}`);
  pi2.follow(pi1, 1);
  await equal(pi2, pi1);
  await archived(pi2);
  pi2.receiver?.follow(null);
  for (let round = 0; round < 2; round++) {
    const before = headOf(pi1).mark;
    for (let count = 0; count < 15; count++) {
      if (round === 0) await server.remove(`doomed-${count}`);
      await server.create(`later-${round}-${count}`);
    }
    const written = headOf(pi1).head;
    while (headOf(pi1).mark <= before || headOf(pi1).mark < written - 12) await sleep(50);
  }
  pi2.follow(pi1, 1);
  await equal(pi2, pi1);
  await die(pi1, server);
  const heir = await serve(pi2, 2, 'replica', true);
  const names = await heir.names();
  expect(names.filter((name) => name.startsWith('doomed'))).toEqual([]);
  expect(names.filter((name) => name.startsWith('later'))).toHaveLength(30);
}, 120_000);

test('a master that comes back behind its receivers does not take revisions back', async () => {
  const [pi1, pi2] = [node('pi1'), node('pi2')];
  const server = await serve(pi1, 1, 'none', false);
  pi2.follow(pi1, 1);
  const written: string[] = [];
  for (let count = 0; count < 60; count++) {
    await server.create(`object-${count}`);
    written.push(`object-${count}`);
  }
  await equal(pi2, pi1);
  await archived(pi2);
  const acknowledged = pi2.datastore.replica.position().revision;
  await die(pi1, server);
  // A power cut: the end of the WAL was never on the disk (kine: synchronous=NORMAL).
  const wal = `${pi1.folder}/k3s/server/db/state.db-wal`;
  expect(statSync(wal).size).toBeGreaterThan(0);
  truncateSync(wal, 0);
  pi2.receiver?.follow(null);
  pi1.restart('the next boot');
  const facts = pi1.datastore.facts();
  expect(facts).toMatchObject({ source: 'server', clean: false });
  expect(facts.revision).toBeLessThan(acknowledged);

  const heir = await serve(pi2, 2, 'replica', true);
  expect(await heir.names()).toEqual(expect.arrayContaining(written));
  expect(await pi1.datastore.retireServer()).toMatchObject({ kind: 'quarantined' });
  pi1.follow(pi2, 2);
  await equal(pi1, pi2);
  expect(pi1.found('lone-revisions')).toEqual([]);
}, 120_000);

test('64: a cluster begun anew goes on above what was given out', async () => {
  const [pi1, pi2] = [node('pi1'), node('pi2')];
  const server = await serve(pi1, 2, 'none', true);
  const first = await server.create('first');
  expect(first).toBeGreaterThan(20_000_000_000);
  pi2.follow(pi1, 2);
  await equal(pi2, pi1);
  const watch = await server.call(
    'GET',
    `${StandIn.maps}?watch=1&timeoutSeconds=2&resourceVersion=7`,
  );
  expect(`${watch.status} ${watch.text}`).toMatch(/410|Expired/);
}, 120_000);

test('two receivers promoted one after the other from one point share no revision', async () => {
  const [pi1, pi2, pi3] = [node('pi1'), node('pi2'), node('pi3')];
  const server = await serve(pi1, 1, 'none', false);
  for (const receiver of [pi2, pi3]) receiver.follow(pi1, 1);
  for (let count = 0; count < 10; count++) await server.create(`common-${count}`);
  for (const receiver of [pi2, pi3]) await equal(receiver, pi1);
  for (const receiver of [pi2, pi3]) await archived(receiver);
  const seen = headOf(pi1).head;
  for (const receiver of [pi2, pi3]) receiver.receiver?.follow(null);
  await die(pi1, server);

  const second = await serve(pi2, 2, 'replica', true);
  const ofSecond: number[] = [];
  for (let count = 0; count < 5; count++) ofSecond.push(await second.create(`fork-${count}`));
  await die(pi2, second);
  const third = await serve(pi3, 3, 'replica', true);
  const ofThird: number[] = [];
  for (let count = 0; count < 5; count++) ofThird.push(await third.create(`fork-${count}`));
  expect(Math.min(...ofThird)).toBeGreaterThan(Math.max(...ofSecond));

  for (const former of [pi2, pi1]) {
    expect(await former.datastore.retireServer()).toMatchObject({ kind: 'quarantined' });
    former.follow(pi3, 3);
    await equal(former, pi3);
  }
  expect(pi2.found('lone-revisions')).toHaveLength(1);
  // A client that had seen a lost line is told to list again, by every path.
  const lost = ofSecond.at(-1) ?? 0;
  for (const revision of [seen, lost]) {
    const query = `?watch=1&timeoutSeconds=2&resourceVersion=${revision}`;
    const watch = await third.call('GET', `${StandIn.maps}${query}`);
    expect(`${watch.status} ${watch.text}`).toMatch(/410|Expired/);
  }
}, 120_000);

test('compaction goes on before and after a raise, and receivers lose the same rows', async () => {
  const [pi1, pi2, pi3] = [node('pi1'), node('pi2'), node('pi3')];
  const server = await serve(pi1, 1, 'none', false, quickCompaction);
  for (const receiver of [pi2, pi3]) receiver.follow(pi1, 1);
  for (let count = 0; count < 30; count++) await server.create(`object-${count}`);
  for (let count = 0; count < 10; count++) await server.remove(`object-${count}`);
  while (headOf(pi1).mark < headOf(pi1).head - 15) await sleep(50);
  for (const receiver of [pi2, pi3]) {
    await equal(receiver, pi1);
    await archived(receiver);
    receiver.receiver?.follow(null);
  }
  await die(pi1, server);
  const heir = await serve(pi2, 2, 'replica', true, quickCompaction);
  pi3.follow(pi2, 2);
  await equal(pi3, pi2);
  for (let count = 10; count < 20; count++) await heir.remove(`object-${count}`);
  for (let count = 0; count < 20; count++) await heir.create(`after-${count}`);
  const filler = 20_000_000_000;
  while (headOf(pi2).mark <= filler) await sleep(50);
  await equal(pi3, pi2);
  await until(() => pi3.datastore.replica.mark() > filler);
  const answers = network.dialled
    .filter(({ listener }) => listener.peer === 'pi3')
    .flatMap(({ listener }) => listener.sent)
    .filter((frame) => frame.type === 'lineage')
    .map((frame) => (frame.header as { verdict: string }).verdict);
  expect(answers).toEqual(['copy', 'resume']);
  const ids = (rows: readonly { id: number }[]): number[] => rows.map((row) => row.id);
  const all = { maxRows: 1_000_000, maxBytes: 1e9 };
  // Both sides of one compaction; kine may run its next one in between.
  for (;;) {
    const source = pi2.source?.readAfter(0, all);
    const replica = (
      pi3.datastore.replica as unknown as {
        open(): { table: { after(from: number, limit: typeof all): { id: number }[] } };
      }
    ).open();
    const held = replica.table.after(0, all);
    if (pi3.datastore.replica.mark() !== source?.mark) await sleep(20);
    else if (held.at(-1)?.id !== source.rows.at(-1)?.id) await sleep(20);
    else {
      expect(ids(held)).toEqual(ids(source.rows));
      break;
    }
  }
}, 120_000);

test('a wrong token is refused before a server is started on it', async () => {
  const [pi1, pi2] = [node('pi1'), node('pi2')];
  const server = await serve(pi1, 1, 'none', false);
  await server.create('object');
  const wrong = archiveStore({
    k3sDataDirectory: `${pi2.folder}/other`,
    k3sConfigDirectory: `${pi2.folder}/other-etc`,
    stateDirectory: `${pi2.folder}/state`,
    tokenFile: `${pi2.folder}/token`,
  });
  writeFileSync(`${pi2.folder}/token`, 'not-the-token');
  pi2.follow(pi1, 1);
  await equal(pi2, pi1);
  pi2.receiver?.follow(null);
  // What a person who copied the wrong card would have: an archive of another cluster.
  const info = await wrong.current();
  if (info === null) throw new TypeError('nothing to send');
  pi2.archives?.begin(info);
  pi2.archives?.append(0, await wrong.chunk(info.id, 0, info.bytes));
  expect(await pi2.archives?.finish(pi2.datastore.replica)).toMatchObject({ ok: false });
  expect(pi2.archives?.findings().map((each) => each.code)).toEqual(['token-mismatch']);
}, 60_000);
