/** A replica with overwritten pages: found at the start or soon after, and never promoted. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type TestNode, until } from './nodes.ts';
import { streamRig } from './rig.ts';

const PAGE = 4096;
const { pair } = streamRig();

/** The node's agent starts again on a replica of which some pages have been overwritten. */
const restartDamaged = (receiver: TestNode, firstPage: number): void => {
  receiver.receiver?.close();
  receiver.receiver = null;
  receiver.datastore.close();
  const path = `${receiver.folder}/replica/replica.db`;
  const bytes = readFileSync(path);
  bytes.fill(0x5a, PAGE * firstPage, PAGE * (firstPage + 3));
  writeFileSync(path, bytes);
  receiver.restart();
};

test('a damaged replica is set aside and copied anew', async () => {
  const [master, receiver] = await pair();
  restartDamaged(receiver, 0);
  expect(receiver.datastore.findings().map((each) => each.code)).toEqual(['replica-damaged']);
  expect(receiver.datastore.facts().source).toBe('none');
  expect(existsSync(`${receiver.folder}/replica/replica.damaged.db`)).toBe(true);
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  expect(receiver.live()).toEqual(master.kine.live());
});

test('damage further inside is found beside the agent, which does not wait for it', async () => {
  const [master, receiver] = await pair();
  await receiver.datastore.saveReplica('a test');
  master.kine.put('/registry/x/unsaved', 'row');
  await receiver.inStepWith(master);
  restartDamaged(receiver, 12);
  const { datastore } = receiver;
  expect(datastore.facts().source, 'the agent has started').toBe('replica');
  const order = { epoch: 2, raise: true, previousMaster: null, from: 'replica' } as const;
  const refused = { ok: false, detail: expect.stringContaining('damaged') };
  expect(await datastore.install(order), 'a promotion waits for it').toMatchObject(refused);
  expect(await datastore.checked()).toBe(false);
  expect(datastore.facts().source, 'from now on it counts as none').toBe('none');
  await expect(datastore.saveReplica('a test')).rejects.toThrow('damaged');
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  expect(datastore.findings().map((each) => each.code)).toEqual(['replica-damaged']);
  expect(receiver.live()).toEqual(master.kine.live());
  rmSync(`${receiver.folder}/replica`, { recursive: true });
  receiver.restart('boot-2');
  expect(await receiver.datastore.checked(), 'the saved copy is a good one').toBe(true);
  expect(receiver.datastore.facts().source).toBe('replica');
});

test('damage that is found while rows flow ends the stream and begins a new copy', async () => {
  const [master, receiver] = await pair();
  restartDamaged(receiver, 12);
  receiver.follow(master, 1);
  await receiver.inStepWith(master);
  await receiver.datastore.checked();
  master.kine.put('/registry/x/next', 'row');
  await until(() => receiver.datastore.findings().length > 0);
  await receiver.inStepWith(master);
  expect(receiver.live()).toEqual(master.kine.live());
});
