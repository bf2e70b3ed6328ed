/** What a coordinator refuses to start with, and the lines a person gets. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryFigures } from '../../../coordinator/memory-figures.ts';
import { readStartUp } from '../../../coordinator/start-up.ts';
import { generateClusterKey } from '../../../shared/crypto/key-file.ts';
import { clusterKeyring, nodeBundle, transportKey } from '../../../shared/crypto/keyring.ts';
import { memoryFiles } from '../../../shared/ports/fakes/memory-files.ts';

const SETTINGS = '/etc/baton/coordinator.yaml';
const KEY = '/etc/baton/cluster.key';
const clusterKey = generateClusterKey(new Uint8Array(32).fill(7));
const settings = `node:
  name: pi1
cluster:
  nodes:
    - { name: pi1, address: 192.168.1.11, coordinator: true }
    - { name: pi2, address: 192.168.1.12 }
    - { name: pi3, address: 192.168.1.13, eligible: false }
`;

const linesOf = (contents: Readonly<Record<string, string>>): string => {
  const startUp = readStartUp(memoryFiles(contents), SETTINGS);
  expect(startUp.ok).toBe(false);
  return startUp.ok ? '' : startUp.lines.join('\n');
};

describe('start', () => {
  it.each([
    ['the cluster key', clusterKey],
    ['a coordinator’s own key', transportKey(clusterKey)],
  ])('works with %s; the nodes’ keys come out alike', (_name, key) => {
    const startUp = readStartUp(memoryFiles({ [SETTINGS]: settings, [KEY]: key }), SETTINGS);
    if (!startUp.ok) throw new TypeError(startUp.lines.join());
    const nodes = startUp.settings.cluster.nodes;
    const agent = clusterKeyring(nodeBundle(clusterKey, 'pi3'), 'pi3', nodes).brokerPsk();
    expect(Buffer.from(startUp.keys.pskFor('pi3') ?? [])).toEqual(Buffer.from(agent.key));
  });

  it('says that the settings file is missing, and where an example is', () => {
    expect(linesOf({})).toMatch(
      /\/etc\/baton\/coordinator.yaml:1: there is no such file.*coordinator.example.yaml/,
    );
  });

  it('says file, line and key of every broken setting', () => {
    const text = settings.replace('name: pi1\n', 'name: pi2\n  colour: red\n');
    expect(linesOf({ [SETTINGS]: text })).toMatch(/coordinator.yaml:3: node.colour: /);
  });

  it('refuses to run on a node that the agents would not connect to', () => {
    const text = settings.replace('name: pi1\n', 'name: pi2\n');
    expect(linesOf({ [SETTINGS]: text })).toMatch(/yaml:2: node.name: .*coordinator: true/);
  });

  it('says that the key file is missing and where to get one', () => {
    expect(linesOf({ [SETTINGS]: settings })).toMatch(
      /\/etc\/baton\/cluster.key is not there.*baton keygen/,
    );
  });

  it.each([
    ['a cut key', clusterKey.slice(0, -3), /checksum is wrong/],
    ['an empty file', '', /it is empty/],
    ['a node’s bundle', nodeBundle(clusterKey, 'pi3'), /a coordinator needs the cluster key/],
  ])('refuses %s and names the file', (_name, key, words) => {
    const lines = linesOf({ [SETTINGS]: settings, [KEY]: key });
    expect(lines).toMatch(words);
    expect(lines).toContain(KEY);
    // The text of a key never ends in a log.
    if (key !== '') expect(lines).not.toContain(key.split('.').at(-2));
  });

  it('takes any text for either file without throwing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (one, other) => {
        readStartUp(memoryFiles({ [SETTINGS]: one, [KEY]: other }), SETTINGS);
        expect(linesOf({ [SETTINGS]: settings, [KEY]: other })).toContain(KEY);
      }),
      { numRuns: 40 },
    );
  });
});

describe('memory figures', () => {
  it('are whole MB of what the kernel says', () => {
    const status = 'Name:\tnode\nVmRSS:\t  100788 kB\nRssAnon:\t   43888 kB\nRssFile:\t1 kB\n';
    expect(memoryFigures(status)).toEqual({ rss_mb: 98, anon_mb: 43 });
  });

  it.each([null, '', 'VmRSS:\t12 kB\n', 'RssAnon: x kB'])('are left out for %j', (status) => {
    expect(memoryFigures(status)).toBeNull();
  });
});
