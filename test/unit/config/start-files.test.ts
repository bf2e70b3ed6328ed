/** The two files without which nothing starts: what is said when they are not as they must be. */
import { describe, expect, test } from 'vitest';
import { loadAgentSettings } from '../../../agent/config.ts';
import { keyFromFile, settingsFromFile } from '../../../shared/config/start-files.ts';
import { clusterKeyring } from '../../../shared/crypto/keyring.ts';
import { type BatonError, isBatonError } from '../../../shared/errors/baton-error.ts';
import { memoryFiles } from '../../../shared/ports/fakes/memory-files.ts';
import { agentText, changed, FILE } from './samples.ts';

/** The usage error that `action` must throw. */
function refusal(action: () => unknown): BatonError {
  try {
    action();
  } catch (error) {
    if (isBatonError(error) && error.kind === 'usage') return error;
    throw error;
  }
  throw new TypeError('nothing was refused');
}

describe('settings', () => {
  const read = (texts: Record<string, string>) =>
    settingsFromFile(memoryFiles(texts), FILE, loadAgentSettings);

  test('a good file gives its settings', () => {
    expect(read({ [FILE]: agentText }).node.name).toBe('pi1');
  });

  test('a missing file says which one and what to copy', () => {
    const error = refusal(() => read({}));
    expect(error.code).toBe('settings-invalid');
    expect(error.message).toBe(
      'the settings are refused, nothing was started\n/etc/baton/agent.yaml:1: there is no such ' +
        'file - copy agent.example.yaml or coordinator.example.yaml and adapt it',
    );
  });

  test('a folder in its place is a problem too, not a crash', () => {
    const error = refusal(() => read({ [`${FILE}/x`]: '' }));
    expect([error.code, error.message]).toEqual([
      'settings-invalid',
      expect.stringContaining(`cannot read ${FILE}`),
    ]);
  });

  test('everything that is wrong is said at once, a line each', () => {
    const text = changed('name: pi2', 'name: PI2').replace('192.168.1.13', 'pi3.local');
    const error = refusal(() => read({ [FILE]: text }));
    const [head, ...lines] = error.message.split('\n');
    expect(head).toBe('the settings are refused, nothing was started');
    expect(lines.map((line) => line.split(': ').slice(0, 2))).toEqual([
      [`${FILE}:8`, 'cluster.nodes[1].name'],
      [`${FILE}:11`, 'cluster.nodes[2].address'],
    ]);
    expect(error.context.problems).toHaveLength(2);
  });
});

describe('cluster key', () => {
  const path = '/etc/baton/cluster.key';

  test('a missing file says how to make one', () => {
    const error = refusal(() => keyFromFile(memoryFiles(), path));
    expect([error.code, error.message]).toEqual([
      'key-missing',
      'no cluster key, nothing was started: cluster.key_file /etc/baton/cluster.key is not there ' +
        '- run "baton keygen" on the first node and copy the file to every eligible one',
    ]);
  });

  test('a folder in its place is missing too, with the reason', () => {
    const error = refusal(() => keyFromFile(memoryFiles({ [`${path}/x`]: '' }), path));
    expect([error.code, error.message]).toEqual([
      'key-missing',
      expect.stringContaining(`cannot read ${path}`),
    ]);
  });

  test.each(['', 'not a key', agentText, '\0'.repeat(64)])('%j holds no key', (text) => {
    const read = keyFromFile(memoryFiles({ [path]: text }), path);
    expect(read).toBe(text);
    const nodes = [{ name: 'pi1', eligible: true }];
    expect(refusal(() => clusterKeyring(read, 'pi1', nodes)).code).toBe('key-invalid');
  });
});
