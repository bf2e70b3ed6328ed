/**
 * Which key a node shares with whom, all derived from one cluster key by HKDF-SHA256 (RFC 5869).
 *
 *   cluster key ─┬─ transport root ── node's or reader's key: TLS-PSK to a broker
 *                ├─ lease root ────── node's key ── pair key: MAC of lease messages (L15)
 *                └─ data root ─────── dialler's key: TLS-PSK of a direct link
 *
 * A pair key comes from the node key that *both* ends can know: that of the one end that is not
 * eligible, else that of the lexicographically smaller name. Two nodes that are not eligible share
 * none, so nothing can be sealed between them. A coordinator holds the transport root alone: it
 * can let nodes in, but neither forge nor change a lease message.
 *
 * Does not promise anything against an eligible node gone bad: it holds the cluster key.
 * Source: DESIGN section 6; LEASE.md L15.
 */
import { hkdfSync } from 'node:crypto';
import { BatonError } from '../errors/baton-error.ts';
import type { NodeName } from '../protocol/lease-messages.ts';
import { formatKeyFile, KEY_BYTES, type KeyFile, type NodeKeys, parseKeyFile } from './key-file.ts';

/** As much of the settings as keys depend on. */
export interface KeyringNode {
  readonly name: NodeName;
  readonly eligible: boolean;
}

export interface Keyring {
  readonly self: NodeName;
  /** 32 bytes shared by this node and `peer`; null for an unknown node or a pair without one. */
  leaseKey(peer: NodeName): Uint8Array | null;
  /** What this node shows to every broker. */
  brokerPsk(): { readonly identity: string; readonly key: Uint8Array };
  /** Key of the links that `dialler` dials; null when this node does not hold it. */
  linkPsk(dialler: NodeName): Uint8Array | null;
  /** Whether `node` is in the settings and may become master. */
  isEligible(node: NodeName): boolean;
}

/** All that a coordinator's broker needs. */
export interface TransportKeyring {
  /** TLS-PSK of one identity: a node's name, or any other name such as `reader`. */
  pskFor(identity: string): Uint8Array;
}

const derive = (key: Uint8Array, info: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', key, 'baton/v1', info, KEY_BYTES));

const nodeKeysOf = (cluster: Uint8Array, node: NodeName): NodeKeys => ({
  transport: derive(derive(cluster, 'transport'), `identity/${node}`),
  lease: derive(derive(cluster, 'lease'), `node/${node}`),
  data: derive(derive(cluster, 'data'), `node/${node}`),
});

/**
 * The keys of node `self`.
 *
 * `keyText` is the content of its key file. A node that is not eligible may be given the cluster
 * key (a test, a careless copy): it works, and `baton doctor` may say so.
 * Errors: `key-invalid` (usage), with what to do, for an unreadable text, another node's bundle,
 * a bundle on an eligible node, or a coordinator's key.
 */
export const clusterKeyring = (
  keyText: string,
  self: NodeName,
  nodes: readonly KeyringNode[],
): Keyring => {
  const file = read(keyText);
  const eligible = new Map(nodes.map((node) => [node.name, node.eligible]));
  if (file.kind === 'transport') {
    throw invalid('it is a coordinator’s key; an agent needs the cluster key or its own bundle');
  }
  if (file.kind === 'node' && file.node !== self) {
    throw invalid(`it belongs to node "${file.node}", this is "${self}"`);
  }
  if (file.kind === 'node' && eligible.get(self) === true) {
    throw invalid(
      `"${self}" is eligible and needs the cluster key; copy it from another eligible node, ` +
        'or set eligible: false',
    );
  }
  // Each key is derived once: HKDF costs as much as opening a message.
  const keysOf = remembered((node: NodeName): NodeKeys | null => {
    if (file.kind === 'node') return node === self ? file.keys : null;
    return node === self || eligible.has(node) ? nodeKeysOf(file.key, node) : null;
  });
  const pairKey = remembered((peer: NodeName): Uint8Array | null => {
    if (peer === self || !eligible.has(peer)) return null;
    const base = pairBase(self, peer, eligible);
    const keys = base === null ? null : keysOf(base);
    const [low, high] = self < peer ? [self, peer] : [peer, self];
    return keys === null ? null : derive(keys.lease, `pair/${low}/${high}`);
  });
  return {
    self,
    leaseKey: pairKey,
    brokerPsk: () => ({ identity: self, key: own(keysOf(self)).transport }),
    linkPsk: (dialler) => keysOf(dialler)?.data ?? null,
    isEligible: (node) => eligible.get(node) === true,
  };
};

/** Whose lease key the pair key is derived from; null when neither end may know the other's. */
const pairBase = (
  one: NodeName,
  other: NodeName,
  eligible: ReadonlyMap<NodeName, boolean>,
): NodeName | null => {
  const oneEligible = eligible.get(one) === true;
  const otherEligible = eligible.get(other) === true;
  if (oneEligible && otherEligible) return one < other ? one : other;
  if (oneEligible) return other;
  return otherEligible ? one : null;
};

/**
 * The key file's line for a node that never may be master (`baton keygen --for NODE`).
 * Errors: `key-invalid` when `clusterKeyText` is not the cluster key.
 */
export const nodeBundle = (clusterKeyText: string, node: NodeName): string => {
  const file = readCluster(clusterKeyText);
  return formatKeyFile({ kind: 'node', node, keys: nodeKeysOf(file.key, node) });
};

/** The key file's line for a coordinator alone. Errors: `key-invalid`, as for `nodeBundle`. */
export const transportKey = (clusterKeyText: string): string =>
  formatKeyFile({ kind: 'transport', key: derive(readCluster(clusterKeyText).key, 'transport') });

/**
 * What a coordinator keeps of its key file: the transport root, also of a cluster key.
 * Errors: `key-invalid` for a node's bundle or an unreadable text.
 */
export const transportKeyring = (keyText: string): TransportKeyring => {
  const file = read(keyText);
  if (file.kind === 'node') {
    throw invalid('it is a node’s bundle; a coordinator needs the cluster key or its own key');
  }
  const root = file.kind === 'cluster' ? derive(file.key, 'transport') : file.key;
  return { pskFor: (identity) => derive(root, `identity/${identity}`) };
};

const read = (keyText: string): KeyFile => {
  const parsed = parseKeyFile(keyText);
  if (!parsed.ok) throw invalid(parsed.problem);
  return parsed.file;
};

const readCluster = (keyText: string): Extract<KeyFile, { kind: 'cluster' }> => {
  const file = read(keyText);
  if (file.kind !== 'cluster') throw invalid('it is not the cluster key');
  return file;
};

const invalid = (problem: string): BatonError =>
  new BatonError(
    'key-invalid',
    'usage',
    `the key file cannot be used: ${problem}. Nodes with another key cannot talk to this ` +
      'cluster; "baton keygen" on an eligible node prints what belongs there',
  );

const own = (keys: NodeKeys | null): NodeKeys => {
  if (keys === null) throw new BatonError('invariant-broken', 'invariant', 'own keys are missing');
  return keys;
};

const remembered = <Value>(make: (name: string) => Value): ((name: string) => Value) => {
  const values = new Map<string, Value>();
  return (name) => {
    const known = values.get(name);
    if (known !== undefined) return known;
    const value = make(name);
    // Only names with a key are kept: strangers' names must not fill the memory.
    if (value !== null) values.set(name, value);
    return value;
  };
};
