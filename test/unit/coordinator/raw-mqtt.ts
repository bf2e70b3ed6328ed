/**
 * MQTT 3.1.1 spoken byte by byte, so that tests can also say what no library would.
 */

import { connect as plainConnect, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { pskClientOptions } from '../../../shared/net/mqtt-tls.ts';
import { host, testKey } from './broker-rig.ts';

/** Remaining Length, MQTT 3.1.1, 2.2.3. */
const lengthBytes = (length: number): Buffer => {
  const bytes: number[] = [];
  let rest = length;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
};

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
};

/** The first bytes of a packet whose body is `bodyLength` long. */
export const packetHead = (type: number, bodyLength: number): Buffer =>
  Buffer.concat([Buffer.from([type]), lengthBytes(bodyLength)]);

const packet = (type: number, body: Buffer): Buffer =>
  Buffer.concat([packetHead(type, body.length), body]);

export interface RawWill {
  readonly topic: string;
  readonly payload: string;
}

export const connectPacket = (clientId: string, will?: RawWill): Buffer =>
  packet(
    0x10,
    Buffer.concat([
      text('MQTT'),
      Buffer.from([4, 0x02 | (will === undefined ? 0 : 0x24), 0, 60]),
      text(clientId),
      ...(will === undefined ? [] : [text(will.topic), text(will.payload)]),
    ]),
  );

/** QoS 0. */
export const publishPacket = (
  topic: string,
  payload: Uint8Array | string,
  retain = false,
): Buffer => packet(retain ? 0x31 : 0x30, Buffer.concat([text(topic), Buffer.from(payload)]));

export const subscribePacket = (filters: readonly string[]): Buffer =>
  packet(
    0x82,
    Buffer.concat([
      Buffer.from([0, 1]),
      ...filters.map((filter) => Buffer.concat([text(filter), Buffer.from([0])])),
    ]),
  );

export const pingPacket: Buffer = Buffer.from([0xc0, 0]);

export interface RawPeer {
  readonly socket: Socket;
  /** Everything received so far. */
  received(): Buffer;
  isClosed(): boolean;
  /** Text of what was received, for looking up topics and payloads. */
  text(): string;
}

const collecting = <Kind extends Socket>(socket: Kind): RawPeer => {
  const chunks: Buffer[] = [];
  let closed = false;
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  const received = (): Buffer => Buffer.concat(chunks);
  return {
    socket,
    received,
    isClosed: () => closed,
    text: () => received().toString('latin1'),
  };
};

/** TLS-PSK as `identity`; resolves when the handshake is done, rejects when it is refused. */
export const dialBroker = (
  port: number,
  identity: string,
  key: Uint8Array = testKey(identity.replace('reader@', '')),
): Promise<RawPeer> =>
  new Promise((resolve, reject) => {
    const socket: TLSSocket = tlsConnect({
      ...pskClientOptions({ identity, key }),
      host,
      port,
    });
    const peer = collecting(socket);
    socket.once('secureConnect', () => resolve(peer));
    socket.once('error', reject);
  });

export const dialPlain = (port: number): Promise<RawPeer> =>
  new Promise((resolve, reject) => {
    const socket = plainConnect({ host, port });
    const peer = collecting(socket);
    socket.once('connect', () => resolve(peer));
    socket.once('error', reject);
  });
