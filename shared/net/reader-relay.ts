/**
 * The read-only MQTT listener on a node that has no coordinator of its own.
 *
 * `mosquitto_sub -v -t 'baton/#'` works on every node: each plain connection to 127.0.0.1 is
 * carried, byte by byte, over TLS-PSK to the first coordinator that answers, as `reader@<node>`.
 * The broker treats that identity as read-only, so the relay need not understand MQTT; it only
 * bounds what it carries.
 *
 * Not promised: that a connection survives the death of its coordinator. It is closed, and
 * mosquitto_sub connects again, to the next one.
 */
import { createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { BatonError } from '../errors/baton-error.ts';
import type { Clock } from '../ports/clock.ts';
import { seconds } from '../time/duration.ts';
import type { BrokerAddress } from './mqtt-bus-link.ts';
import { type PskCredentials, pskClientOptions } from './mqtt-tls.ts';

export interface ReaderRelayOptions {
  /** Host must be a loopback address: what is served here is not encrypted. */
  readonly at: { readonly host: string; readonly port: number };
  readonly node: string;
  /** The node's own transport key, `keyring.brokerPsk().key`. */
  readonly key: Uint8Array;
  readonly brokers: readonly BrokerAddress[];
  readonly clock: Clock;
}

export interface ReaderRelay {
  readonly port: number;
  close(): Promise<void>;
}

/** Readers at once; each costs a TLS connection. */
const READER_LIMIT = 8;
/** How long one coordinator may take to answer. */
const DIAL_LIMIT = seconds(3);

const dial = (
  broker: BrokerAddress,
  credentials: PskCredentials,
  clock: Clock,
): Promise<TLSSocket | null> =>
  new Promise((resolve) => {
    const socket = tlsConnect({
      ...pskClientOptions(credentials),
      host: broker.host,
      port: broker.port,
    });
    const limit = clock.in(DIAL_LIMIT, () => socket.destroy());
    socket.once('secureConnect', () => {
      limit.cancel();
      resolve(socket);
    });
    // 'close' follows every failure, the timeout included.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      limit.cancel();
      resolve(null);
    });
  });

/** Errors: `port-in-use` when another program (a local mosquitto) has the port. */
export const openReaderRelay = async (options: ReaderRelayOptions): Promise<ReaderRelay> => {
  const { at, node, key, brokers, clock } = options;
  const credentials = { identity: `reader@${node}`, key };
  const open = new Set<Socket>();

  const carry = async (reader: Socket): Promise<void> => {
    for (const broker of brokers) {
      const upstream = await dial(broker, credentials, clock);
      if (upstream === null) continue;
      open.add(upstream);
      upstream.once('close', () => open.delete(upstream));
      // Either end's close ends both; an error is the peer going away, which is everyday here.
      pipeline(reader, upstream, reader, () => {
        reader.destroy();
        upstream.destroy();
      });
      return;
    }
    reader.destroy();
  };

  const server = createServer((reader) => {
    open.add(reader);
    reader.once('close', () => open.delete(reader));
    reader.on('error', () => reader.destroy());
    reader.setNoDelay(true);
    void carry(reader);
  });
  server.maxConnections = READER_LIMIT;
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, at)));
    server.listen({ host: at.host, port: at.port }, () => {
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : at.port);
    });
  });
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
};

const listenError = (
  cause: NodeJS.ErrnoException,
  at: { host: string; port: number },
): BatonError =>
  new BatonError(
    cause.code === 'EADDRINUSE' ? 'port-in-use' : 'input-output',
    'operational',
    `the read-only MQTT listener cannot use ${at.host}:${at.port} (${cause.message}); people ` +
      'cannot read baton/# on this node. Stop the other program, or set mqtt.reader_port.',
    { context: { ...at }, cause },
  );
