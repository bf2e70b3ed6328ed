/** Keys: the file that holds them, and who can derive which. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatKeyFile,
  generateClusterKey,
  parseKeyFile,
} from '../../../shared/crypto/key-file.ts';
import {
  clusterKeyring,
  nodeBundle,
  transportKey,
  transportKeyring,
} from '../../../shared/crypto/keyring.ts';
import { isBatonError } from '../../../shared/errors/baton-error.ts';

const clusterKey = generateClusterKey(new Uint8Array(32).fill(7));
const nodes = [
  { name: 'pi1', eligible: true },
  { name: 'pi2', eligible: true },
  { name: 'shelf', eligible: false },
  { name: 'attic', eligible: false },
];
const ringOf = (self: string, key = clusterKey) => clusterKeyring(key, self, nodes);
const hex = (bytes: Uint8Array | null) =>
  bytes === null ? null : Buffer.from(bytes).toString('hex');
const problemOf = (text: string): string => {
  const parsed = parseKeyFile(text);
  return parsed.ok ? 'none' : parsed.problem;
};
const refusal = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (isBatonError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
};

describe('the key file', () => {
  test('comes back as it was written, with comments and line ends around it', () => {
    const parsed = parseKeyFile(`# cluster of the attic\r\n\n  ${clusterKey}  \r\n`);
    expect(parsed).toMatchObject({ ok: true, file: { kind: 'cluster' } });
    if (!parsed.ok) return;
    expect(formatKeyFile(parsed.file)).toBe(clusterKey);
  });

  test('tells what is wrong', () => {
    expect(problemOf('')).toContain('empty');
    expect(problemOf('# only a comment\n')).toContain('empty');
    expect(problemOf(`${clusterKey}\n${clusterKey}`)).toContain('more than one line');
    expect(problemOf('hunter2')).toContain('does not begin');
    expect(problemOf(clusterKey.slice(0, -9))).toContain('checksum');
  });

  test('any single changed character is noticed', () => {
    fc.assert(
      fc.property(fc.nat(clusterKey.length - 1), fc.constantFrom(...'aZ3-_.'), (at, character) => {
        fc.pre(clusterKey[at] !== character);
        const altered = clusterKey.slice(0, at) + character + clusterKey.slice(at + 1);
        expect(parseKeyFile(altered).ok).toBe(false);
      }),
    );
  });

  test('no text makes it throw', () => {
    const near = fc.tuple(fc.constantFrom('baton-node-1.', 'baton-cluster-1.', ''), fc.string());
    fc.assert(
      fc.property(near, ([start, rest]) => {
        expect(parseKeyFile(start + rest).ok).toBe(false);
      }),
    );
  });

  test('a key of the wrong length is our own bug', () => {
    expect(refusal(() => generateClusterKey(new Uint8Array(31)))).toContain('invariant-broken');
  });
});

describe('pair keys', () => {
  test('both ends derive the same one, eligible or not', () => {
    for (const [one, other] of [
      ['pi1', 'pi2'],
      ['pi1', 'shelf'],
      ['pi2', 'attic'],
    ] as const) {
      expect(ringOf(one).leaseKey(other)).not.toBeNull();
      expect(hex(ringOf(one).leaseKey(other))).toBe(hex(ringOf(other).leaseKey(one)));
    }
  });

  test('a node with its own bundle derives those with eligible nodes, and no others', () => {
    const shelf = ringOf('shelf', nodeBundle(clusterKey, 'shelf'));
    expect(hex(shelf.leaseKey('pi1'))).toBe(hex(ringOf('pi1').leaseKey('shelf')));
    expect(hex(shelf.leaseKey('pi2'))).toBe(hex(ringOf('pi2').leaseKey('shelf')));
    expect(shelf.leaseKey('attic')).toBeNull();
    expect(shelf.linkPsk('pi1')).toBeNull();
    expect(hex(shelf.linkPsk('shelf'))).toBe(hex(ringOf('pi1').linkPsk('shelf')));
  });

  test('every pair, link and broker key is a different one', () => {
    const ring = ringOf('pi1');
    const keys = [
      ...['pi2', 'shelf', 'attic'].map((peer) => ring.leaseKey(peer)),
      ...['pi1', 'pi2', 'shelf'].map((dialler) => ring.linkPsk(dialler)),
      ring.brokerPsk().key,
      ringOf('pi2').brokerPsk().key,
      ringOf('pi2').leaseKey('shelf'),
    ].map(hex);
    expect(keys).not.toContain(null);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('nobody shares a key with a stranger or with itself', () => {
    const ring = ringOf('pi1');
    expect(ring.leaseKey('stranger')).toBeNull();
    expect(ring.linkPsk('stranger')).toBeNull();
    expect(ring.leaseKey('pi1')).toBeNull();
  });

  test('another cluster key gives other keys', () => {
    const foreign = ringOf('pi1', generateClusterKey(new Uint8Array(32).fill(8)));
    expect(hex(foreign.leaseKey('pi2'))).not.toBe(hex(ringOf('pi1').leaseKey('pi2')));
    expect(hex(foreign.brokerPsk().key)).not.toBe(hex(ringOf('pi1').brokerPsk().key));
  });
});

describe('a coordinator', () => {
  test('knows what every node shows, from the cluster key or from its own', () => {
    for (const text of [clusterKey, transportKey(clusterKey)]) {
      const { key, identity } = ringOf('pi2').brokerPsk();
      expect(hex(transportKeyring(text).pskFor(identity))).toBe(hex(key));
    }
    const shelf = ringOf('shelf', nodeBundle(clusterKey, 'shelf')).brokerPsk();
    expect(hex(transportKeyring(clusterKey).pskFor('shelf'))).toBe(hex(shelf.key));
  });
});

test.each([
  [
    'a bundle of another node',
    () => ringOf('attic', nodeBundle(clusterKey, 'shelf')),
    'belongs to',
  ],
  ['a bundle on an eligible node', () => ringOf('pi1', nodeBundle(clusterKey, 'pi1')), 'eligible'],
  ['a coordinator’s key in an agent', () => ringOf('pi1', transportKey(clusterKey)), 'coordinator'],
  ['a bundle in a coordinator', () => transportKeyring(nodeBundle(clusterKey, 'pi1')), 'bundle'],
  ['a bundle made from a bundle', () => nodeBundle(nodeBundle(clusterKey, 'a'), 'b'), 'not the'],
  ['a broken file', () => ringOf('pi1', 'nonsense'), 'does not begin'],
])('%s is refused with the reason', (_name, action, words) => {
  expect(refusal(action)).toContain('key-invalid');
  expect(refusal(action)).toContain(words);
});
