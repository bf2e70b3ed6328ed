/**
 * The two doors of the broker: TLS with pre-shared keys for the cluster, plain text for readers
 * on this machine.
 *
 * A listener hands over connections of which the party is known; what that party may do is decided
 * in topic-rules.ts. A wrong key, an unknown name and a peer that speaks no TLS are each said once
 * per peer. Errors: `port-in-use`, `permission-denied`, both with what to do.
 */
import { createServer as createPlainServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { BatonError } from '../../shared/errors/baton-error.ts';
import { pskServerOptions } from '../../shared/net/mqtt-tls.ts';
import type { Log } from '../log.ts';
import { type KnownNode, keyOf, type Party, partyOf, type TransportKeys } from './parties.ts';
import type { ToldOnce } from './told-once.ts';

/** A connection with its proven identity. */
export interface Arrival {
  readonly socket: Socket;
  readonly party: Party;
  /** As proven by the key, or `local` on the readers' door. */
  readonly identity: string;
}

export interface Door {
  readonly port: number;
  /** Stops listening and ends every connection, also those in the middle of a handshake. */
  close(): Promise<void>;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Connections at once; a cluster has tens of nodes, each with one connection. */
const CONNECTION_LIMIT = 256;
const READER_LIMIT = 32;
const HANDSHAKE_LIMIT_MS = 10_000;
/** The kernel's own probe of an idle connection, for peers that vanish without a word. */
const KEEPALIVE_MS = 30_000;

const listenFailure = (error: NodeJS.ErrnoException, what: string, at: Address): BatonError => {
  const where = `${at.host}:${at.port}`;
  if (error.code === 'EADDRINUSE') {
    return new BatonError(
      'port-in-use',
      'operational',
      `${what} cannot listen on ${where}: another program has that port. Find it with ` +
        `\`ss -ltnp 'sport = :${at.port}'\`, or set another port in coordinator.yaml.`,
      { context: { ...at }, cause: error },
    );
  }
  const code = error.code === 'EACCES' ? 'permission-denied' : 'input-output';
  return new BatonError(
    code,
    'operational',
    `${what} cannot listen on ${where}: ${error.message}. Check the address and the port in ` +
      'coordinator.yaml.',
    { context: { ...at }, cause: error },
  );
};

const listening = (server: Server, what: string, at: Address): Promise<Door> => {
  // Of a TLS server these are the sockets below TLS: a peer that never finishes its handshake
  // would otherwise hold up the end for as long as the handshake may take.
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  const close = (): Promise<void> =>
    new Promise((done) => {
      server.close(() => done());
      for (const socket of open) socket.destroy();
    });
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenFailure(error, what, at)));
    server.listen({ host: at.host, port: at.port }, () => {
      const bound = server.address();
      resolve({ port: typeof bound === 'object' && bound !== null ? bound.port : at.port, close });
    });
  });
};

export interface ClusterDoorOptions {
  readonly at: Address;
  readonly nodes: readonly KnownNode[];
  readonly keys: TransportKeys;
  readonly told: ToldOnce;
  readonly log: Log;
}

/** TLS-PSK for nodes, the CLI and people elsewhere. */
export const openClusterDoor = (
  options: ClusterDoorOptions,
  arrived: (arrival: Arrival) => void,
): Promise<Door> => {
  const { nodes, keys, told, log } = options;
  const identities = new WeakMap<Socket, string>();
  const server = createTlsServer({
    ...pskServerOptions,
    handshakeTimeout: HANDSHAKE_LIMIT_MS,
    pskCallback: (socket, identity) => {
      identities.set(socket, identity);
      return keyOf(identity, nodes, keys);
    },
  });
  server.maxConnections = CONNECTION_LIMIT;
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    const from = socket.remoteAddress ?? 'an address that is gone';
    sayRefusal(error, identities.get(socket) ?? null, from, { nodes, told, log });
    socket.destroy();
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    const identity = identities.get(socket);
    const party = identity === undefined ? null : partyOf(identity, nodes);
    // Without an identity the session was resumed, which this server never offers.
    if (identity === undefined || party === null) {
      socket.destroy();
      return;
    }
    told.forget(`${identity}@${socket.remoteAddress ?? ''}`, 'key');
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    arrived({ socket, party, identity });
  });
  return listening(server, 'The broker', options.at);
};

/** Says what is wrong with a peer's handshake, once for each peer and fault. */
const sayRefusal = (
  error: NodeJS.ErrnoException,
  identity: string | null,
  from: string,
  { nodes, told, log }: Pick<ClusterDoorOptions, 'nodes' | 'told' | 'log'>,
): void => {
  if (identity === null) {
    if (!told.isNews(from, 'handshake')) return;
    log.warn(
      { from, code: error.code },
      `refused a connection from ${from}: it does not speak TLS with a pre-shared key`,
    );
    return;
  }
  const known = partyOf(identity, nodes) !== null;
  if (!told.isNews(`${identity}@${from}`, known ? 'key' : 'name')) return;
  const shown = JSON.stringify(identity.slice(0, 80));
  log.warn(
    { from, identity: identity.slice(0, 80), code: error.code },
    known
      ? `refused ${shown} from ${from}: it holds another cluster key. Copy this cluster's key ` +
          'file to that node and restart its agent.'
      : `refused ${shown} from ${from}: no node of that name is in cluster.nodes. Add it to the ` +
          "settings of every node, or correct that node's name.",
  );
};

/** Plain text, read-only; meant for 127.0.0.1 alone. */
export const openReaderDoor = (at: Address, arrived: (arrival: Arrival) => void): Promise<Door> => {
  const server = createPlainServer((socket) => {
    socket.setNoDelay(true);
    arrived({ socket, party: { kind: 'reader' }, identity: 'local' });
  });
  server.maxConnections = READER_LIMIT;
  return listening(server, 'The read-only listener', at);
};
