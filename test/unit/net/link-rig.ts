/**
 * Real links on loopback for tests: nodes with keys, whatever they said, everything closed again.
 */
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, expect } from 'vitest';
import { generateClusterKey } from '../../../shared/crypto/key-file.ts';
import { clusterKeyring, type Keyring } from '../../../shared/crypto/keyring.ts';
import { type ConnectionBounds, connectionBounds } from '../../../shared/net/frame-connection.ts';
import { type LinkProblem, type PskLinks, pskLinks } from '../../../shared/net/psk-links.ts';
import type { Frame, FrameConnection, LinkPurpose } from '../../../shared/ports/network.ts';
import { type Duration, seconds } from '../../../shared/time/duration.ts';
import { ownNet } from './own-net.ts';

/** No other program's: a port that was given back is free until a test takes it again. */
export const host = `${ownNet()}.1`;

export const nodes = [
  { name: 'pi1', eligible: true },
  { name: 'pi2', eligible: true },
  { name: 'shelf', eligible: false },
];
const keyOf = (seed: number): string => generateClusterKey(new Uint8Array(32).fill(seed));
export const ringOf = (self: string, seed = 7, known = nodes): Keyring =>
  clusterKeyring(keyOf(seed), self, known);

export interface End {
  readonly links: PskLinks;
  /** What it told of trouble. */
  readonly told: LinkProblem[];
  /** Connections that came in, oldest first. */
  readonly taken: FrameConnection[];
  /** Where it listens; 0 before `listen`. */
  port: number;
  listen(): Promise<void>;
  close(): Promise<void>;
}

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
/** Runs after the test, last first. */
export const afterwards = (cleanup: () => void | Promise<void>): void => {
  cleanups.push(cleanup);
};

export interface EndOptions {
  readonly keyring?: Keyring;
  readonly life?: string;
  readonly bounds?: Partial<Record<LinkPurpose, Partial<ConnectionBounds>>>;
  readonly handshake?: Duration;
}

let lives = 0;

/** A process on node `self`. */
export const end = (self: string, options: EndOptions = {}): End => {
  lives += 1;
  const told: LinkProblem[] = [];
  const links = pskLinks({
    keyring: options.keyring ?? ringOf(self),
    life: options.life ?? lives.toString(16).padStart(16, '0'),
    onProblem: (problem) => told.push(problem),
    bounds: {
      lease: { ...connectionBounds.lease, ...options.bounds?.lease },
      bulk: { ...connectionBounds.bulk, ...options.bounds?.bulk },
    },
    handshake: options.handshake ?? seconds(60),
  });
  const taken: FrameConnection[] = [];
  let close: (() => Promise<void>) | null = null;
  const one: End = {
    links,
    told,
    taken,
    port: 0,
    listen: async () => {
      const listening = await links.listen({ host, port: 0 }, (connection) => {
        taken.push(connection);
        connection.onFrame(() => undefined);
      });
      one.port = listening.port;
      close = listening.close;
    },
    close: async () => {
      await close?.();
      close = null;
    },
  };
  afterwards(one.close);
  return one;
};

/** Dials and sees to it that the connection is closed after the test. */
export const dial = async (
  from: End,
  to: End,
  node: string,
  purpose: LinkPurpose = 'lease',
): Promise<FrameConnection> => {
  const target = { node, host, port: to.port, purpose };
  const connection = await from.links.dial(target, seconds(60));
  afterwards(() => connection.close('the test is over'));
  return connection;
};

/** A TLS stream with `self`'s right key, past the handshake, that says whatever a test likes. */
export const rawLink = (to: End, self: string): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const psk = ringOf(self).linkPsk(self);
    if (psk === null) throw new TypeError(`no key of ${self}`);
    const socket = connect({
      host,
      port: to.port,
      ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      pskCallback: () => ({ identity: self, psk }),
      checkServerIdentity: () => undefined,
    });
    afterwards(() => void socket.destroy());
    socket.on('error', reject);
    socket.once('secureConnect', () => resolve(socket));
  });

/** Resolves when the other end has hung up. */
export const hungUp = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.resume();
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });

/** The code and text of the error that a promise rejects with. */
export const failureOf = async (
  attempt: Promise<unknown>,
): Promise<{ code: unknown; text: string }> => {
  const outcome = await attempt.then(
    () => null,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(Error);
  const error = outcome as Error & { code?: unknown };
  return { code: error.code, text: error.message };
};

/** Waits until it is so; the test's own limit ends what never comes. */
export const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

export const frameOf = (type: string, body: Uint8Array | string = ''): Frame => ({
  type,
  header: null,
  body: Buffer.from(body),
});
