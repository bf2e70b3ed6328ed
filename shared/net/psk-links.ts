/**
 * Direct links between nodes: TLS 1.2 with a pre-shared key and forward secrecy, on TCP 7947.
 *
 * One cipher suite, ECDHE-PSK-CHACHA20-POLY1305 (RFC 7905) over X25519: no certificate, hence no
 * clock needed; quick without AES instructions, which a Pi lacks. The identity is the dialler's
 * name, the key the one that node and every eligible node can derive (shared/crypto/keyring.ts).
 * No session tickets and no renegotiation: each connection proves its key anew.
 *
 * A listener refuses a wrong key, a stranger, a greeting meant for another node, and a second
 * machine under the name of one that is connected and alive. Each is counted every time, and told
 * through `onProblem` once until that node was well again.
 *
 * Does not promise to dial again, or that a frame which was sent arrives.
 * Source: DESIGN section 6; measured with Node 24.21 (OpenSSL 3.5).
 */
import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import type { Keyring } from '../crypto/keyring.ts';
import { BatonError } from '../errors/baton-error.ts';
import type { FrameConnection, LinkNetwork, LinkPurpose } from '../ports/network.ts';
import { type Duration, seconds } from '../time/duration.ts';
import {
  type ConnectionBounds,
  connectionBounds,
  type StreamConnection,
} from './frame-connection.ts';
import { LinkRivals } from './frame-rivals.ts';
import { type LinkEnd, receiveGreeting, sendGreeting } from './psk-greeting.ts';
import {
  dialError,
  dialTimeout,
  handshakeProblem,
  hostOf,
  type LinkProblem,
  type LinkProblemCode,
  LinkProblems,
  listenError,
} from './psk-link-errors.ts';

export type { LinkProblem, LinkProblemCode } from './psk-link-errors.ts';

export interface PskLinksOptions {
  readonly keyring: Keyring;
  /** Random, 8 to 64 hexadecimal characters, fresh at each start of the process. */
  readonly life: string;
  readonly onProblem: (problem: LinkProblem) => void;
  readonly bounds?: Readonly<Record<LinkPurpose, ConnectionBounds>>;
  /** How long a peer may take from the TCP connection to its greeting. */
  readonly handshake?: Duration;
}

export interface PskLinks extends LinkNetwork {
  /** Trouble since the start of the process, told or not. */
  problems(): Readonly<Record<LinkProblemCode, number>>;
}

const tlsSettings = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
  ecdhCurve: 'X25519',
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
} as const;
/** Bounds what strangers can hold open; far above 2 x 7 voters and their streams. */
const MOST_CONNECTIONS = 128;

/** The direct links of one process. Errors of `listen` and `dial`: see the port. */
export const pskLinks = (options: PskLinksOptions): PskLinks => {
  const problems = new LinkProblems(options.onProblem);
  const end: LinkEnd = {
    keyring: options.keyring,
    life: options.life,
    bounds: options.bounds ?? connectionBounds,
    rivals: new LinkRivals(),
    problems,
  };
  const handshake = options.handshake ?? seconds(5);
  return {
    listen: (address, onConnection) => new Listener(end, handshake, onConnection).open(address),
    dial: (target, timeout) => dial(end, target, timeout),
    problems: () => problems.counts,
  };
};

/** One listening port: strangers in their handshake, peers in their greeting, connections. */
class Listener {
  readonly #end: LinkEnd;
  readonly #handshake: Duration;
  readonly #onConnection: (connection: FrameConnection) => void;
  readonly #server: ReturnType<typeof createServer>;
  /** TCP connections whose key is not proven yet, by their remote end. */
  readonly #strangers = new Map<string, Socket>();
  readonly #greeting = new Set<TLSSocket>();
  readonly #connections = new Set<StreamConnection>();
  /** The name that each socket claims; proven once the handshake is done. */
  readonly #claims = new WeakMap<Socket, string>();

  constructor(
    end: LinkEnd,
    handshake: Duration,
    onConnection: (connection: FrameConnection) => void,
  ) {
    this.#end = end;
    this.#handshake = handshake;
    this.#onConnection = onConnection;
    this.#server = createServer({
      ...tlsSettings,
      handshakeTimeout: handshake,
      pskCallback: (socket, identity) => {
        this.#claims.set(socket, identity);
        return end.keyring.linkPsk(identity);
      },
    });
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.on('connection', (socket: Socket) => this.#meet(socket));
    this.#server.on('tlsClientError', (error, socket) => {
      const claimed = this.#claims.get(socket) ?? null;
      const problem = handshakeProblem(error, claimed, hostOf(socket));
      if (problem !== null) end.problems.add(problem);
      socket.destroy();
    });
    this.#server.on('secureConnection', (socket) => this.#greet(socket));
  }

  open(address: { host: string; port: number }): ReturnType<LinkNetwork['listen']> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(listenError(error, address)));
      this.#server.listen(address.port, address.host, () => {
        this.#server.removeAllListeners('error');
        // Accepting one connection failed, for want of descriptors; the next may succeed.
        this.#server.on('error', (error) => {
          const { host } = address;
          const text = `cannot take a connection: ${error.message}`;
          this.#end.problems.add({ code: 'link-refused', node: null, host, text });
        });
        const bound = this.#server.address();
        const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
        resolve({ port, close: () => this.#close() });
      });
    });
  }

  #meet(socket: Socket): void {
    const key = remoteEnd(socket);
    this.#strangers.set(key, socket);
    socket.once('close', () => this.#strangers.delete(key));
  }

  #greet(socket: TLSSocket): void {
    this.#strangers.delete(remoteEnd(socket));
    this.#greeting.add(socket);
    prepare(socket);
    const peer = this.#claims.get(socket) ?? '';
    const limit = setTimeout(() => socket.destroy(), this.#handshake);
    receiveGreeting(this.#end, socket, peer)
      .then((connection) => {
        clearTimeout(limit);
        this.#greeting.delete(socket);
        if (connection === null) return;
        this.#connections.add(connection);
        socket.once('close', () => this.#connections.delete(connection));
        this.#onConnection(connection);
      })
      .catch(crash);
  }

  #close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const connection of this.#connections) connection.close('the peer stopped listening');
      // Those that never became a connection have nobody to say goodbye to.
      for (const socket of this.#greeting) socket.destroy();
      for (const socket of this.#strangers.values()) socket.destroy();
    });
  }
}

const dial = (
  end: LinkEnd,
  target: Parameters<LinkNetwork['dial']>[0],
  timeout: Duration,
): Promise<FrameConnection> =>
  new Promise((resolve, reject) => {
    const { self } = end.keyring;
    const psk = end.keyring.linkPsk(self);
    if (psk === null) {
      reject(new BatonError('invariant-broken', 'invariant', 'own link key is missing'));
      return;
    }
    const socket = connect({
      ...tlsSettings,
      host: target.host,
      port: target.port,
      pskCallback: () => ({ identity: self, psk }),
      // There is no certificate; the key is the proof.
      checkServerIdentity: () => undefined,
    });
    const fail = (error: BatonError): void => {
      clearTimeout(limit);
      reject(error);
      socket.destroy();
    };
    const limit = setTimeout(() => fail(dialTimeout(target)), timeout);
    const refused = (error: Error): void => fail(dialError(error, target));
    prepare(socket);
    socket.once('error', refused);
    socket.once('secureConnect', () => {
      socket.off('error', refused);
      sendGreeting(end, socket, target).then((connection) => {
        clearTimeout(limit);
        resolve(connection);
      }, fail);
    });
  });

/** Small messages leave at once; an error always ends in `close`, which is watched. */
const prepare = (socket: TLSSocket): void => {
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
};

const remoteEnd = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;

/** A rejection here is our own bug: out of the promise with it, so that it ends the process. */
const crash = (error: unknown): void => {
  setImmediate(() => {
    throw error;
  });
};
