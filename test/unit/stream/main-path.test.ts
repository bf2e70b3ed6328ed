/** The stream end to end: first copy, rows as they come, resume, epochs, flush. */
import { expect, test } from 'vitest';
import { milliseconds, seconds } from '../../../shared/time/duration.ts';
import { quickLimits, until } from './nodes.ts';
import { streamRig } from './rig.ts';

const rig = streamRig();
const { node, verdicts } = rig;

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

test('how far a receiver is behind is told in revisions and in milliseconds', async () => {
  const master = node('pi1');
  await master.promote(1, 'none', false);
  const receiver = node('pi2');
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  const behind = () => master.sender?.receivers()[0];
  const { listener } = rig.network.last();
  listener.tamper = ({ type, ...rest }) => (type === 'batch' ? null : { type, ...rest });
  const before = performance.now();
  for (let count = 0; count < 5; count++) master.kine.put(`/registry/x/${count}`, 'x');
  await until(() => behind()?.lagRevisions === 5);
  // It grows with the time that the oldest of them waits.
  await until(() => (behind()?.lagMilliseconds ?? 0) > 30);
  expect(behind()?.lagMilliseconds).toBeLessThanOrEqual(performance.now() - before);
  listener.tamper = (frame) => frame;
  master.kine.put('/registry/x/last', 'x');
  await receiver.inStepWith(master);
  await until(() => behind()?.lagRevisions === 0);
});

test('a receiver that has acknowledged nothing is behind since its link stands', async () => {
  const master = node('pi1');
  await master.promote(1, 'none', false);
  master.kine.put('/registry/x', 'x');
  const receiver = node('pi2');
  const before = performance.now();
  receiver.follow(master, 1);
  const behind = () => master.sender?.receivers()[0];
  // Its greeting is lost on the way.
  rig.network.last().dialler.tamper = () => null;
  await until(() => (behind()?.lagMilliseconds ?? 0) > 30);
  expect(behind()).toMatchObject({ phase: 'greeting', position: { revision: 0 } });
  expect(behind()?.lagMilliseconds).toBeLessThanOrEqual(performance.now() - before);
});

test('a change that nobody was woken for is sent with the next sign of life', async () => {
  const master = node('pi1');
  master.deaf = true;
  master.limits = { ...quickLimits, silenceLimit: milliseconds(300) };
  await master.promote(1, 'none', false);
  const receiver = node('pi2');
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  master.kine.put('/registry/x/unheard', 'x');
  await receiver.inStepWith(master);
  expect(receiver.live()).toEqual(master.kine.live());
  expect(receiver.live().has('/registry/x/unheard')).toBe(true);
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
  expect(verdicts()).toEqual(['resume']);
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
  expect(await master.sender?.flush('pi2', seconds(60))).toEqual({ ok: true, revision });
  expect(receiver.datastore.replica.position().revision).toBe(revision);
  receiver.receiver?.close();
  master.kine.put('/registry/x/never', 'never');
  const late = await master.sender?.flush('pi2', seconds(0));
  expect(late).toMatchObject({ ok: false });
});
