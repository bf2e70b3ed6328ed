/** The stream end to end: first copy, rows as they come, resume, epochs, flush. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seconds } from '../../../shared/time/duration.ts';
import { LoopbackNetwork } from './loopback.ts';
import { TestNode, until } from './nodes.ts';

let network: LoopbackNetwork;
let nodes: TestNode[] = [];
const node = (name: string): TestNode => {
  const made = new TestNode(name, network);
  nodes.push(made);
  return made;
};

beforeEach(() => {
  network = new LoopbackNetwork();
});
afterEach(() => {
  for (const each of nodes) each.close();
  nodes = [];
});

test('a new receiver gets everything, then each revision as it comes', async () => {
  const master = node('pi1');
  await master.promote(1, 'none', false);
  for (let count = 0; count < 1200; count++) master.kine.put(`/registry/x/${count}`, `v${count}`);
  const receiver = node('pi2');
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  expect(receiver.live()).toEqual(master.kine.live());
  expect(receiver.datastore.replica.position().lineageEpoch).toBe(1);

  const revision = master.kine.put('/registry/x/late', 'late');
  await until(() => master.acknowledged.at(-1)?.position.revision === revision);
  expect(receiver.live()).toEqual(master.kine.live());
  const [progress] = master.sender?.receivers() ?? [];
  expect(progress).toMatchObject({ node: 'pi2', connected: true, phase: 'streaming' });
  expect(progress?.lagRevisions).toBe(0);
});

test('a receiver that was away resumes where it was', async () => {
  const master = node('pi1');
  await master.promote(1, 'none', false);
  master.kine.put('/registry/x/1', 'one');
  const receiver = node('pi2');
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  receiver.restart();
  for (let count = 0; count < 700; count++) master.kine.put(`/registry/y/${count}`, 'y');
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  expect(receiver.live()).toEqual(master.kine.live());
  const verdicts = network.last().listener.sent.filter((frame) => frame.type === 'lineage');
  expect(verdicts.map((frame) => frame.header)).toMatchObject([{ verdict: 'resume' }]);
});

test('a row larger than a frame arrives whole', async () => {
  const master = node('pi1');
  await master.promote(1, 'none', false);
  const receiver = node('pi2');
  receiver.follow(master, 1);
  master.kine.put('/registry/x/large', 'x'.repeat(5_000_000));
  await receiver.inStepWith(master);
  expect(receiver.live()).toEqual(master.kine.live());
});

test('a stream of a lower epoch is refused, and the master learns why', async () => {
  const master = node('pi1');
  await master.promote(1, 'none', false);
  const receiver = node('pi2');
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  receiver.highestEpoch = 7;
  master.kine.put('/registry/x/after', 'too late');
  await until(() => master.higherEpochs.includes(7));
  expect(receiver.live().has('/registry/x/after')).toBe(false);
});

test('flush resolves once the receiver has everything, and fails by its limit', async () => {
  const master = node('pi1');
  await master.promote(1, 'none', false);
  const receiver = node('pi2');
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  const revision = master.kine.put('/registry/x/last', 'last');
  expect(await master.sender?.flush('pi2', seconds(10))).toEqual({ ok: true, revision });
  expect(receiver.datastore.replica.position().revision).toBe(revision);
  receiver.receiver?.close();
  master.kine.put('/registry/x/never', 'never');
  const late = await master.sender?.flush('pi2', seconds(0));
  expect(late).toMatchObject({ ok: false });
});
