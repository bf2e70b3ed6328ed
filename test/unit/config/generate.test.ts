/** What is generated from the declarations: complete, stable, and true of what the loader does. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { declaration as agent, loadAgentSettings } from '../../../agent/config.ts';
import {
  declaration as coordinator,
  loadCoordinatorSettings,
} from '../../../coordinator/config.ts';
import { systemFiles } from '../../../shared/adapters/system-files.ts';
import { generate, generatedFiles } from '../../../shared/config/generate.ts';
import type { Group, Leaf } from '../../../shared/config/schema.ts';
import { memoryFiles } from '../../../shared/ports/fakes/memory-files.ts';
import { agentSettings } from './samples.ts';

const root = join(import.meta.dirname, '../../..');
const files = await generatedFiles(root);
const textOf = (path: string): string => files.get(path) ?? `${path} is not generated`;

/** Every leaf with its path, list entries as `[]`. */
function leaves(group: Group, path = ''): [string, Leaf<unknown>][] {
  return Object.entries(group.entries).flatMap(([name, node]): [string, Leaf<unknown>][] => {
    const here = path === '' ? name : `${path}.${name}`;
    if (node.node === 'leaf') return [[here, node]];
    return node.node === 'list' ? leaves(node.item, `${here}[]`) : leaves(node, here);
  });
}

test('the tree holds what would be generated: run `npm run gen` when this fails', async () => {
  expect(await generate(systemFiles(), root, true)).toEqual([]);
});

test('generating again changes no byte', async () => {
  expect([...(await generatedFiles(root))]).toEqual([...files]);
});

test('a check writes nothing and names what is out of date; generating heals it', async () => {
  const start = Object.fromEntries([...files].map(([path, text]) => [join(root, path), text]));
  const stale = join(root, 'agent/config/SETTINGS.md');
  const disk = memoryFiles({ ...start, [stale]: 'edited by hand' });
  disk.remove(join(root, 'shared/errors/ERRORS.md'));
  const expected = ['shared/errors/ERRORS.md', 'agent/config/SETTINGS.md'];
  expect(await generate(disk, root, true)).toEqual(expected);
  expect(disk.read(stale)).toBe('edited by hand');
  expect(await generate(disk, root, false)).toEqual(expected);
  expect(disk.read(stale)).toBe(textOf('agent/config/SETTINGS.md'));
  expect(await generate(disk, root, true)).toEqual([]);
});

test('nobody’s lines are longer than the editor', () => {
  for (const [path, text] of files) {
    if (path.endsWith('.md')) continue;
    expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
  }
  for (const text of files.values()) expect(text).toMatch(/[^\n]\n$/);
});

describe.each([
  ['agent', agent, loadAgentSettings],
  ['coordinator', coordinator, loadCoordinatorSettings],
] as const)('%s', (daemon, declaration, load) => {
  const example = textOf(`${daemon}/config/${daemon}.example.yaml`);
  const reference = textOf(`${daemon}/config/SETTINGS.md`);

  test('the example is accepted as it is', () => {
    expect(load(example, 'example')).toMatchObject({ ok: true });
  });

  test('with every default written out it says the same', () => {
    const full = example.replaceAll(/^( *)#(\w+: )/gm, '$1$2');
    expect(full).not.toBe(example);
    expect(load(full, 'example')).toEqual(load(example, 'example'));
  });

  test('every setting is in the example, the reference and the types', () => {
    const types = textOf(`${daemon}/config/settings-types.ts`);
    for (const [path, leaf] of leaves(declaration.schema)) {
      const name = path.split('.').at(-1) ?? path;
      expect(example).toMatch(new RegExp(`^ *(?:- )?#?${name}:`, 'm'));
      expect(types).toContain(`readonly ${name}: ${leaf.code};`);
      const row = reference.split('\n').find((line) => line.startsWith(`| \`${path}\` |`));
      expect(row?.replaceAll('\\|', '')).toContain(leaf.about.why.replaceAll('|', ''));
    }
  });

  test('every setting says what it is and why, and has its unit last', () => {
    for (const [path, leaf] of leaves(declaration.schema)) {
      expect([path, leaf.about.description]).toEqual([path, expect.stringMatching(/^[A-Z].*\.$/)]);
      expect([path, leaf.about.why]).toEqual([path, expect.stringMatching(/^\W?[A-Za-z0-9].*\.$/)]);
      const suffixes = { ms: '_ms', bytes: '_bytes', '%': '_percent' };
      const suffix = suffixes[leaf.unit as keyof typeof suffixes] ?? '';
      expect(path.endsWith(suffix)).toBe(true);
      if (leaf.unit !== null) expect(suffix).not.toBe('');
      if (leaf.code === 'Duration') expect(leaf.unit).toBe('ms');
    }
  });

  test('every default is accepted where it stands', () => {
    for (const [path, leaf] of leaves(declaration.schema)) {
      if (leaf.default === undefined) continue;
      expect([path, leaf.refuse(leaf.default)]).toEqual([path, null]);
    }
  });

  test('every rule is in the reference', () => {
    for (const { name, says } of declaration.rules) {
      expect(reference).toContain(`| \`${name}\` | ${says} |`);
    }
  });

  test('the example is plain YAML with comments', () => {
    expect(parseDocument(example).errors).toEqual([]);
    expect(example.split('\n').filter((line) => /\s$|\t/.test(line))).toEqual([]);
  });
});

test('both daemons describe cluster, node and log alike: one file section serves both', () => {
  for (const section of ['node', 'cluster', 'log'] as const) {
    expect(agent.schema.entries[section]).toBe(coordinator.schema.entries[section]);
  }
});

test('the settings that the design names are there, with its defaults', () => {
  const { lease, paths, k3s, network, mqtt, log, cluster } = agentSettings();
  expect({ ...lease }).toEqual({
    lease_duration_ms: 8000,
    renew_interval_ms: 1500,
    fence_after_ms: 5000,
    drift_percent: 1,
    answer_timeout_ms: 700,
    candidate_stagger_ms: 300,
    yield_wait_ms: 2000,
    cold_start_wait_ms: 300_000,
    retire_after_ms: 900_000,
    sit_out_ms: 60_000,
    server_restarts: 3,
  });
  expect(cluster.nodes[1]).toEqual({
    name: 'pi2',
    address: '192.168.1.12',
    link_port: 7947,
    eligible: true,
    voter: true,
    mqtt_port: 8883,
    coordinator: false,
    api_port: 6443,
    weight: 0,
  });
  expect({ ...paths }).toEqual({
    run_dir: '/run/baton',
    state_dir: '/var/lib/baton',
    replica_dir: '/run/baton/replica',
    k3s_data_dir: '/var/lib/rancher/k3s',
    k3s_config_dir: '/etc/rancher/k3s',
    hosts_file: '/etc/hosts',
    boot_id_file: '/proc/sys/kernel/random/boot_id',
    lease_file: '/run/baton/lease',
  });
  expect([k3s.unit_manager, network.data_path_gate]).toEqual(['systemd', 'nft']);
  expect([mqtt.reader_port, log.level]).toEqual([1883, 'info']);
});
