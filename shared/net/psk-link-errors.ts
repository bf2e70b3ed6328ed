/**
 * What went wrong with a direct link, in words that say what it means and what to do, and the
 * counts of it. Trouble that repeats (a node with the wrong key dials every ten seconds for ever)
 * is counted each time and told once, until the same node was well in between.
 *
 * Source: the names of OpenSSL's errors as Node 24.21 shows them, seen by trying each case.
 */
import type { TLSSocket } from 'node:tls';
import { errnoOf, fromErrno } from '../adapters/errno.ts';
import { BatonError, type ErrorKind } from '../errors/baton-error.ts';

export type LinkProblemCode =
  | 'link-key-refused'
  | 'link-refused'
  | 'duplicate-node'
  | 'frame-broken';

export interface LinkProblem {
  readonly code: LinkProblemCode;
  /** Name that the other end claims or has proven; null when it said none. */
  readonly node: string | null;
  readonly host: string;
  readonly text: string;
}

/** Kinds of trouble that are remembered as told; names and addresses come from strangers. */
const REMEMBERED = 256;

export class LinkProblems {
  readonly #tell: (problem: LinkProblem) => void;
  readonly #told = new Set<string>();
  readonly #counts: Record<LinkProblemCode, number> = {
    'link-key-refused': 0,
    'link-refused': 0,
    'duplicate-node': 0,
    'frame-broken': 0,
  };

  constructor(tell: (problem: LinkProblem) => void) {
    this.#tell = tell;
  }

  /** Since the start of the process. */
  get counts(): Readonly<Record<LinkProblemCode, number>> {
    return { ...this.#counts };
  }

  add(problem: LinkProblem): void {
    const { code, node, host } = problem;
    this.#counts[code] += 1;
    const key = `${host} ${node} ${code}`;
    if (this.#told.has(key) || this.#told.size >= REMEMBERED) return;
    this.#told.add(key);
    this.#tell(problem);
  }

  /** A link with this node stands: what goes wrong from now on is new. */
  settle(node: string, host: string): void {
    for (const key of this.#told) if (key.startsWith(`${host} ${node} `)) this.#told.delete(key);
  }
}

export const hostOf = (socket: TLSSocket): string => socket.remoteAddress ?? 'an unknown address';

/** The same sentence at both ends, because two nodes often dial each other: it is told once. */
const otherKey = (node: string, host: string): string =>
  `no link with ${node} (${host}): the two ends do not hold the same cluster key. Copy the key ` +
  'file of a node that is in the cluster to the other (cluster.key_file), and restart ' +
  'baton-agent there';

/**
 * Why a listener's handshake failed; null when the other end just went away.
 * `claimed` is the name it gave, which proves nothing.
 */
export const handshakeProblem = (
  error: Error,
  claimed: string | null,
  host: string,
): LinkProblem | null => {
  const code = errnoOf(error) ?? '';
  const node = claimed?.slice(0, 63) ?? null;
  // Whoever dials may call itself anything, an escape sequence included.
  const name = node !== null && /^[a-z0-9-]+$/.test(node) ? node : JSON.stringify(node);
  const who = node === null ? host : `${name} (${host})`;
  if (/BAD_RECORD_MAC/.test(code)) {
    return { code: 'link-key-refused', node, host, text: otherKey(name, host) };
  }
  if (/PSK_IDENTITY/.test(code)) {
    const text =
      `${who} was refused: no node of that name is in cluster.nodes here. ` +
      'Add it to the settings of this node, or set node.name right on the other';
    return { code: 'link-refused', node, host, text };
  }
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    const text = `${who} opened a connection and then said nothing; it was closed`;
    return { code: 'link-refused', node, host, text };
  }
  if (!code.startsWith('ERR_SSL')) return null;
  const text = `${who} speaks something else than a link of baton; it was closed`;
  return { code: 'frame-broken', node, host, text };
};

export interface DialTarget {
  readonly node: string;
  readonly host: string;
  readonly port: number;
}

type DialCode = 'link-key-refused' | 'link-refused' | 'link-timeout' | 'duplicate-node';

/** `kind` tells whether trying again may help (`operational`) or a person must act (`usage`). */
const dialFailure = (
  code: DialCode,
  kind: ErrorKind,
  { node, host, port }: DialTarget,
  words: string,
  cause?: unknown,
): BatonError =>
  new BatonError(code, kind, `${node} (${host}:${port}) ${words}`, {
    context: { node, host, port },
    cause,
  });

export const refusedKey = ({ node, host, port }: DialTarget, cause?: unknown): BatonError =>
  new BatonError('link-key-refused', 'usage', otherKey(node, host), {
    context: { node, host, port },
    cause,
  });

export const nobodyListens = (target: DialTarget, cause?: unknown): BatonError => {
  const words = 'is up, but its baton-agent does not listen';
  return dialFailure('link-refused', 'operational', target, words, cause);
};

/** Why an attempt failed before the peer had said anything. */
export const dialError = (error: unknown, target: DialTarget): BatonError => {
  const code = errnoOf(error) ?? '';
  if (/BAD_RECORD_MAC|DECRYPT/.test(code)) {
    return refusedKey(target, error);
  }
  if (/PSK_IDENTITY/.test(code)) {
    const words =
      'does not know this node: its cluster.nodes has no node of this name. ' +
      'Add it there, or set node.name right here';
    return dialFailure('link-refused', 'usage', target, words, error);
  }
  if (code === 'ETIMEDOUT') return dialTimeout(target);
  if (code.startsWith('ERR_SSL')) {
    const words = 'does not answer as baton does: another program listens there';
    return dialFailure('link-refused', 'usage', target, words, error);
  }
  if (code === 'ECONNREFUSED') return nobodyListens(target, error);
  const words = `cannot be reached (${code === '' ? String(error) : code})`;
  return dialFailure('link-refused', 'operational', target, words, error);
};

export const dialTimeout = (target: DialTarget): BatonError =>
  dialFailure(
    'link-timeout',
    'operational',
    target,
    'did not answer in time: it is off, asleep or overloaded',
  );

/** It proved its key and then went away: it ends just now, or is out of memory. */
export const dialEnded = (target: DialTarget): BatonError =>
  dialFailure('link-refused', 'operational', target, 'hung up during the greeting');

/** The peer answered, but not with a welcome. */
export const dialRefused = (
  code: 'link-refused' | 'duplicate-node',
  target: DialTarget,
  reason: string,
): BatonError => dialFailure(code, 'usage', target, `refused the link: ${reason}`);

interface Address {
  readonly host: string;
  readonly port: number;
}

export const portInUse = ({ host, port }: Address, cause?: unknown): BatonError => {
  const text =
    `another program listens on ${host}:${port}, so no node can reach this one. ` +
    `Find it with "ss -ltnp sport = :${port}" and stop it, or give this node another ` +
    'link_port in cluster.nodes on every node';
  return new BatonError('port-in-use', 'operational', text, { context: { host, port }, cause });
};

/** Why listening failed. */
export const listenError = (error: unknown, address: Address): BatonError => {
  const { host, port } = address;
  if (errnoOf(error) === 'EADDRINUSE') return portInUse(address, error);
  if (errnoOf(error) === 'EADDRNOTAVAIL') {
    const text =
      `this machine has no address ${host} (yet). It is the one that cluster.nodes gives for ` +
      'this node; correct it there, or bring the network up';
    const context = { host, port };
    return new BatonError('input-output', 'operational', text, { context, cause: error });
  }
  return fromErrno(error, `listen on ${host}:${port}`, `${host}:${port}`);
};
