/**
 * Real agents: a node with another cluster key, and a second machine under a name that is taken.
 * Both are refused wherever they knock, each end says so once however often they knock, and the
 * cluster goes on.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { generateClusterKey } from '../../../shared/crypto/key-file.ts';
import { makeRig, patient, type Rig } from './agent-rig.ts';

interface Settings {
  node: { name: string };
  cluster: { nodes: { name: string; address: string }[] };
}

let rig: Rig | null = null;
afterEach(async () => {
  await rig?.close();
  rig = null;
});

const fileOf = (one: Rig, name: string): string => `${one.node(name).directory}/etc/cluster.key`;

/** Texts of the warnings with this code in a node's log, in order. */
const warnings = (one: Rig, name: string, code: string): string[] =>
  readFileSync(one.node(name).log, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { code?: string; msg: string })
    .filter((entry) => entry.code === code)
    .map(({ msg }) => msg);

const findings = async (one: Rig, name: string, code: string): Promise<string[] | null> => {
  const found = (await one.report(name))?.findings.filter((finding) => finding.code === code) ?? [];
  return found.length === 0 ? null : found.map(({ text }) => text);
};

test('a foreign key and a second machine of one name are refused and said once', async () => {
  const one = makeRig({
    names: ['a', 'b', 'c', 'copy'],
    coordinators: ['a'],
    lease: patient,
    // `copy` is a clone of b's card in another machine, at another address; nobody lists it.
    adjust: (name, settings) => {
      const own = settings as unknown as Settings;
      const { cluster } = structuredClone(own);
      const other = cluster.nodes.pop();
      own.cluster = cluster;
      if (name !== 'copy') return;
      own.node = { name: 'b' };
      for (const node of cluster.nodes) if (node.name === 'b') node.address = other?.address ?? '';
    },
  });
  rig = one;
  one.startCoordinator('a');
  for (const name of ['a', 'b', 'c']) one.start(name);
  // Who wins the first election depends on who woke first; the rest is about a as master.
  await one.until('a as master', 60_000, async () => {
    const master = (await one.serving(60_000)).node;
    if (master !== 'a') await one.command(master, { name: 'move', to: 'a' });
    return master === 'a' || null;
  });

  one.crash('c');
  writeFileSync(fileOf(one, 'c'), generateClusterKey(new Uint8Array(32).fill(9)));
  one.start('c');
  one.start('copy');
  const until = (name: string, code: string) =>
    one.until(`${code} at ${name}`, 60_000, () => findings(one, name, code));
  for (const name of ['a', 'b', 'c']) {
    expect((await until(name, 'link-key-refused'))[0]).toMatch(/same cluster key|the keys differ/);
  }
  for (const name of ['a', 'copy']) {
    expect((await until(name, 'duplicate-node')).join()).toContain('two machines run under');
  }

  // Time for several more attempts of each.
  await new Promise((resolve) => setTimeout(resolve, 6000));
  for (const name of ['a', 'b', 'c', 'copy']) {
    for (const code of ['link-key-refused', 'duplicate-node']) {
      const told = warnings(one, name, code);
      expect(new Set(told).size, `${name} ${code}`).toBe(told.length);
    }
  }
  // One line as listener, one as dialler: on loopback the two ends see different addresses.
  expect(warnings(one, 'a', 'link-key-refused').length).toBeLessThanOrEqual(2);
  expect(warnings(one, 'a', 'duplicate-node').length).toBeLessThanOrEqual(1);
  expect((await one.report('a'))?.role).toBe('master');
  expect((await one.report('b'))?.role).toBe('receiver');
}, 600_000);
