/**
 * Who is at the other end of a connection, by the identity that its key proved.
 *
 * | identity | who | key |
 * |---|---|---|
 * | `<node>` | the node's agent, or a person with that node's key | of the node |
 * | `cli` | a person's command on an eligible node; holders of the cluster key only | of `cli` |
 * | `reader@<node>` | the read-only listener that a node's agent carries | of the node |
 *
 * A `reader@` identity has the node's own key, so that a node without the cluster key can carry
 * its readers; it gives away nothing, because it may do less than the node.
 */
import type { NodeName } from '../../shared/protocol/lease-messages.ts';

export type Party =
  | { readonly kind: 'node'; readonly node: NodeName; readonly eligible: boolean }
  | { readonly kind: 'cli' }
  | { readonly kind: 'reader' };

export interface KnownNode {
  readonly name: NodeName;
  readonly eligible: boolean;
}

/** The transport keys; shared/crypto/keyring.ts derives them. Null: no such identity. */
export interface TransportKeys {
  pskFor(identity: string): Uint8Array | null;
}

const CLI_IDENTITY = 'cli';
export const READER_PREFIX = 'reader@';
/** Under `baton/` and `baton-wire/` these levels are the coordinators' own, never a node's. */
const reservedNames: readonly string[] = ['cluster', CLI_IDENTITY];

/** Null when the identity belongs to nobody in the settings. */
export const partyOf = (identity: string, nodes: readonly KnownNode[]): Party | null => {
  if (identity === CLI_IDENTITY) return { kind: 'cli' };
  if (identity.startsWith(READER_PREFIX)) {
    const carrier = identity.slice(READER_PREFIX.length);
    return nodes.some((node) => node.name === carrier) ? { kind: 'reader' } : null;
  }
  if (reservedNames.includes(identity)) return null;
  const node = nodes.find((known) => known.name === identity);
  return node === undefined ? null : { kind: 'node', node: node.name, eligible: node.eligible };
};

/** The key that `identity` must prove, null when it belongs to nobody. */
export const keyOf = (
  identity: string,
  nodes: readonly KnownNode[],
  keys: TransportKeys,
): Uint8Array | null => {
  if (partyOf(identity, nodes) === null) return null;
  return keys.pskFor(
    identity.startsWith(READER_PREFIX) ? identity.slice(READER_PREFIX.length) : identity,
  );
};
