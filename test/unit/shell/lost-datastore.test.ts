/**
 * Real agents after a power cut of all: the master's datastore is damaged, and the other node that
 * may be master comes back on a new card. Nobody begins an empty cluster; a restored file serves.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { parseDiskRecord } from '../../../agent/core/records.ts';
import { makeRig, type Rig } from './agent-rig.ts';

let rig: Rig | null = null;
afterEach(async () => {
  await rig?.close();
  rig = null;
});

interface Settings {
  cluster: { nodes: { name: string; eligible?: boolean }[] };
}

const epochIn = (path: string): number =>
  parseDiskRecord(readFileSync(path, 'utf8'))?.highest_epoch ?? 0;

test('a damaged datastore beside an empty node is no reason to begin anew', async () => {
  const one = makeRig({
    names: ['a', 'b', 'witness'],
    adjust: (_name, settings) => {
      const own = settings as unknown as Settings;
      own.cluster = structuredClone(own.cluster);
      for (const node of own.cluster.nodes) node.eligible = node.name !== 'witness';
    },
  });
  rig = one;
  for (const { name } of one.nodes) one.start(name);
  const master = await one.serving(60_000);
  const other = master.node === 'a' ? 'b' : 'a';
  // Two of three votes make a master: the third may only have heard of it, and forgets that.
  await one.until('every voter has it on its disk', 60_000, async () => {
    const records = one.nodes.map(({ directory }) => `${directory}/state/lease.json`);
    const epochs = records.map((path) => (existsSync(path) ? epochIn(path) : 0));
    return epochs.every((epoch) => epoch >= master.epoch) ? epochs : null;
  });
  for (const { name } of one.nodes) one.crash(name, { reboot: true });

  const { directory } = one.node(other);
  for (const name of ['state', 'k3s']) rmSync(join(directory, name), { recursive: true });
  mkdirSync(join(directory, 'k3s'));
  const folder = join(one.node(master.node).directory, 'k3s/server/db');
  const path = join(folder, 'state.db');
  const whole = new Map(
    readdirSync(folder).map((file) => [file, readFileSync(join(folder, file))]),
  );
  for (const file of whole.keys()) if (file !== 'state.db') rmSync(join(folder, file));
  writeFileSync(path, Buffer.from(whole.get('state.db') ?? '').fill(0x5a, 0, 4096));

  for (const { name } of one.nodes) one.start(name);
  const logOf = (name: string): string => readFileSync(one.node(name).log, 'utf8');
  await one.until('both refuse', 60_000, async () => {
    const alone = /gives the role back: install_datastore failed: .*cannot be read/;
    const empty = new RegExp(`this node holds nothing, ${master.node} is known to hold`);
    return alone.test(logOf(master.node)) && empty.test(logOf(other)) ? true : null;
  });
  expect(one.serverPid(other)).toBeNull();

  for (const [file, bytes] of whole) writeFileSync(join(folder, file), bytes);
  const again = await one.serving(60_000);
  expect(again.node).toBe(master.node);
  expect(again.revision).toBeGreaterThan(master.revision);
}, 600_000);
