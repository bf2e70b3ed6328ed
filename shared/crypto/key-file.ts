/**
 * The text of a key file: one line `baton-<kind>-1.<…>.<base64url>.<checksum>`.
 *
 *   baton-cluster-1.<32 bytes>.<checksum>            everything; eligible nodes only
 *   baton-transport-1.<32 bytes>.<checksum>          a coordinator's broker, nothing else
 *   baton-node-1.<name>.<3 × 32 bytes>.<checksum>    one node that never may be master
 *
 * The checksum (36 bits of SHA-256 over what stands before it) tells a typing error or a cut line
 * from a foreign key. It protects nothing: whoever can write the file can write a checksum. Empty
 * lines and lines that begin with `#` are allowed; a second key is not.
 *
 * Does not promise where the file lies or who may read it; the caller reads it.
 * Source: DESIGN section 6, "Keys".
 */
import { createHash } from 'node:crypto';
import { BatonError } from '../errors/baton-error.ts';
import type { NodeName } from '../protocol/lease-messages.ts';

/** Length of every key, bytes. */
export const KEY_BYTES = 32;

/** The keys of one node that does not hold the cluster key; each of `KEY_BYTES` bytes. */
export interface NodeKeys {
  /** TLS-PSK towards the brokers. */
  readonly transport: Uint8Array;
  /** Root of this node's pair keys for lease messages. */
  readonly lease: Uint8Array;
  /** TLS-PSK of the direct links that this node dials. */
  readonly data: Uint8Array;
}

export type KeyFile =
  | { readonly kind: 'cluster'; readonly key: Uint8Array }
  | { readonly kind: 'transport'; readonly key: Uint8Array }
  | { readonly kind: 'node'; readonly node: NodeName; readonly keys: NodeKeys };

/** `problem` is a sentence for a person: what is wrong with the text, never the text itself. */
export type ParsedKeyFile =
  | { readonly ok: true; readonly file: KeyFile }
  | { readonly ok: false; readonly problem: string };

const namePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const checksum = (text: string): string =>
  createHash('sha256').update(text).digest('base64url').slice(0, 6);
const withChecksum = (text: string): string => `${text}.${checksum(text)}`;
const refused = (problem: string): ParsedKeyFile => ({ ok: false, problem });

/**
 * A new cluster key's line, without a line end.
 *
 * `random` must be `KEY_BYTES` bytes from the operating system's generator.
 * Errors: `invariant-broken` for any other length.
 */
export const generateClusterKey = (random: Uint8Array): string =>
  formatKeyFile({ kind: 'cluster', key: random });

/** The line for a key, without a line end. Errors: `invariant-broken` for a wrong length. */
export const formatKeyFile = (file: KeyFile): string => {
  const parts =
    file.kind === 'node' ? [file.keys.transport, file.keys.lease, file.keys.data] : [file.key];
  if (parts.some((part) => part.length !== KEY_BYTES)) {
    throw new BatonError('invariant-broken', 'invariant', `a key has ${KEY_BYTES} bytes`);
  }
  const body = base64(Buffer.concat(parts));
  return withChecksum(
    file.kind === 'node' ? `baton-node-1.${file.node}.${body}` : `baton-${file.kind}-1.${body}`,
  );
};

/** Reads the text of a key file. Never throws. */
export const parseKeyFile = (text: string): ParsedKeyFile => {
  const lines = text
    .slice(0, 64 * 1024)
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const line = lines[0];
  if (line === undefined) return refused('it is empty');
  if (lines.length > 1) return refused('it holds more than one line; a key is one line');
  const end = line.lastIndexOf('.');
  if (!line.startsWith('baton-') || end < 0) {
    return refused('it does not begin with "baton-cluster-1." or "baton-node-1."');
  }
  // The checksum first: every other complaint about a mistyped line would mislead.
  if (checksum(line.slice(0, end)) !== line.slice(end + 1)) {
    return refused('its checksum is wrong: the line was cut or mistyped; copy it again');
  }
  const parts = line.slice(0, end).split('.');
  if (parts[0] === 'baton-cluster-1' && parts.length === 2) return rootKey('cluster', parts[1]);
  if (parts[0] === 'baton-transport-1' && parts.length === 2) return rootKey('transport', parts[1]);
  if (parts[0] === 'baton-node-1' && parts.length === 3) return nodeKeys(parts[1], parts[2]);
  return refused(`its kind "${String(parts[0]).slice(0, 32)}" is unknown to this version of baton`);
};

const rootKey = (kind: 'cluster' | 'transport', body: string | undefined): ParsedKeyFile => {
  const key = Buffer.from(body ?? '', 'base64url');
  return key.length === KEY_BYTES
    ? { ok: true, file: { kind, key } }
    : refused(`its key has ${key.length} bytes instead of ${KEY_BYTES}`);
};

const nodeKeys = (node = '', body = ''): ParsedKeyFile => {
  if (!namePattern.test(node)) return refused('it names no valid node');
  const bytes = Buffer.from(body, 'base64url');
  if (bytes.length !== 3 * KEY_BYTES) {
    return refused(`its keys have ${bytes.length} bytes instead of ${3 * KEY_BYTES}`);
  }
  const part = (index: number) => bytes.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES);
  const keys = { transport: part(0), lease: part(1), data: part(2) };
  return { ok: true, file: { kind: 'node', node, keys } };
};
