/** What the agent says when it cannot start: every file, once, with what to do. */
import { describe, expect, test } from 'vitest';
import { readArguments, startUp } from '../../../agent/wiring/start-up.ts';
import { generateClusterKey, KEY_BYTES } from '../../../shared/crypto/key-file.ts';
import { nodeBundle } from '../../../shared/crypto/keyring.ts';
import { memoryFiles } from '../../../shared/ports/fakes/memory-files.ts';
import { agentText, changed, FILE } from '../config/samples.ts';

const KEY = '/etc/baton/cluster.key';
const BOOT = '/proc/sys/kernel/random/boot_id';
const clusterKey = generateClusterKey(new Uint8Array(KEY_BYTES).fill(7));
const good = { [FILE]: agentText, [KEY]: clusterKey, [BOOT]: 'boot-1\n' };

/** The problems with one file taken away or replaced. */
const problems = (change: Record<string, string | null>): readonly string[] => {
  const texts = Object.entries({ ...good, ...change }).filter(([, text]) => text !== null);
  const started = startUp(memoryFiles(Object.fromEntries(texts) as Record<string, string>), FILE);
  return started.ok ? [] : started.problems;
};

test('with all three files it can start', () => {
  const started = startUp(memoryFiles(good), FILE);
  if (!started.ok) throw new TypeError(started.problems.join('\n'));
  expect([started.settings.node.name, started.keyring.self, started.bootId]).toEqual([
    'pi1',
    'pi1',
    'boot-1',
  ]);
});

describe('refused', () => {
  test.each<[string, Record<string, string | null>, readonly unknown[]]>([
    [
      'no settings',
      { [FILE]: null },
      [
        'the settings are refused, nothing was started',
        expect.stringContaining(`${FILE}:1: there is no such file - copy agent.example.yaml`),
      ],
    ],
    [
      'wrong settings, a line for each',
      { [FILE]: changed('pi2', 'PI2').replace('192.168.1.13', 'pi3') },
      [
        'the settings are refused, nothing was started',
        expect.stringContaining(`${FILE}:8: cluster.nodes[1].name: `),
        expect.stringContaining(`${FILE}:11: cluster.nodes[2].address: `),
      ],
    ],
    ['no key', { [KEY]: null }, [expect.stringContaining('run "baton keygen"')]],
    ['no key in the file', { [KEY]: 'words' }, [expect.stringContaining(`${KEY}: `)]],
    [
      'another node’s key',
      { [KEY]: nodeBundle(clusterKey, 'pi3') },
      [expect.stringContaining('it belongs to node "pi3", this is "pi1"')],
    ],
    ['no boot id', { [BOOT]: null }, [expect.stringContaining(`${BOOT} holds no boot id`)]],
    ['an empty boot id', { [BOOT]: '\n' }, [expect.stringContaining('holds no boot id')]],
  ])('%s', (_what, change, expected) => {
    expect(problems(change)).toEqual(expected);
  });
});

test('arguments', () => {
  expect(readArguments([])).toEqual({ kind: 'run', file: '/etc/baton/agent.yaml' });
  expect(readArguments(['--check', '--settings', 'x'])).toEqual({ kind: 'check', file: 'x' });
  expect(readArguments(['--version', '--check'])).toEqual({ kind: 'version' });
  expect(readArguments(['-h'])).toEqual({ kind: 'help' });
  expect(readArguments(['--seting', 'x'])).toMatchObject({ kind: 'wrong' });
  expect(readArguments(['x'])).toMatchObject({ kind: 'wrong' });
});
