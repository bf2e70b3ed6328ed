/**
 * One connection over a stream whose other end does as the test says: it never reads, or is gone.
 */
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { encodeFrame, FrameDecoder } from '../../../shared/net/frame-codec.ts';
import { type ConnectionBounds, StreamConnection } from '../../../shared/net/frame-connection.ts';
import { milliseconds, seconds } from '../../../shared/time/duration.ts';
import { afterwards, frameOf } from './link-rig.ts';

const patient: ConnectionBounds = {
  frame: 4096,
  queue: 1000,
  keepalive: seconds(60),
  idle: seconds(600),
};

interface Rig {
  readonly connection: StreamConnection;
  readonly stream: Duplex;
  /** Bytes that the other end has been given. */
  readonly written: Buffer[];
  receive(bytes: Uint8Array): void;
}

/** With `reads` false the other end takes the first write and no more. */
const rig = (bounds: ConnectionBounds, reads: boolean): Rig => {
  const written: Buffer[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk);
      if (reads) done();
    },
  });
  const connection = new StreamConnection(stream, new FrameDecoder(64), {
    peer: 'pi2',
    purpose: 'lease',
    bounds,
  });
  afterwards(() => {
    connection.close('the test is over');
    stream.destroy();
  });
  return { connection, stream, written, receive: (bytes) => void stream.push(bytes) };
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const typesOf = (written: readonly Buffer[]): string[] => {
  const decoder = new FrameDecoder(4096);
  const types: string[] = [];
  for (const chunk of written) decoder.push(chunk);
  for (let next = decoder.next(); next.kind === 'frame'; next = decoder.next()) {
    types.push(next.frame.type);
  }
  return types;
};

test('a peer that asks for signs of life and never reads cannot fill the memory', async () => {
  const { connection, stream, receive } = rig(patient, false);
  connection.onFrame(() => undefined);
  const question = encodeFrame(frameOf('link-question'), 1024);
  for (let round = 0; round < 50; round += 1) {
    receive(Buffer.concat(Array.from({ length: 100 }, () => question)));
    await turn();
  }
  expect(connection.isOpen).toBe(true);
  expect(stream.writableLength).toBeGreaterThan(0);
  expect(stream.writableLength).toBeLessThan(patient.queue + question.length);
});

test('a question is answered, and an answer ends the asking', async () => {
  const { connection, written, receive } = rig(patient, true);
  connection.onFrame(() => undefined);
  receive(encodeFrame(frameOf('link-question'), 1024));
  await turn();
  expect(typesOf(written)).toEqual(['link-answer']);
  const asked = connection.answers(seconds(600));
  receive(encodeFrame(frameOf('link-answer'), 1024));
  expect(await asked).toBe(true);
  expect(await connection.answers(milliseconds(20))).toBe(false);
});

test('a connection that ends while it is asked gives no sign of life', async () => {
  const { connection, stream } = rig(patient, true);
  connection.onFrame(() => undefined);
  const asked = connection.answers(seconds(600));
  stream.destroy();
  expect(await asked).toBe(false);
  expect(await connection.answers(seconds(600))).toBe(false);
});

test('frames are dropped, not queued, once the bound is reached', () => {
  const { connection, stream } = rig(patient, false);
  let taken = 0;
  while (connection.send(frameOf('lease', Buffer.alloc(100)))) taken += 1;
  expect(taken).toBeGreaterThan(5);
  expect(taken).toBeLessThan(12);
  expect(stream.writableLength).toBeLessThan(patient.queue + 200);
});

test('a peer that takes nothing does not keep a closed connection for long', async () => {
  const { connection, stream } = rig(patient, false);
  connection.send(frameOf('lease', 'stuck'));
  connection.close('enough');
  await new Promise((resolve) => stream.once('close', resolve));
  expect(stream.destroyed).toBe(true);
});

test('no ping is queued behind what a silent peer has not taken', async () => {
  const bounds = { ...patient, keepalive: milliseconds(10), idle: milliseconds(200) };
  const { connection, written, stream } = rig(bounds, false);
  connection.send(frameOf('lease', 'stuck'));
  connection.send(frameOf('lease', 'waiting'));
  const before = stream.writableLength;
  const reason = await new Promise<string>((resolve) => connection.onClose(resolve));
  expect(reason).toMatch(/nothing was heard/);
  expect(stream.writableLength).toBeLessThanOrEqual(before);
  expect(typesOf(written)).toEqual(['lease']);
});

test('an error of the stream ends the connection with its words', async () => {
  const { connection, stream } = rig(patient, true);
  connection.onFrame(() => undefined);
  const reason = new Promise<string>((resolve) => connection.onClose(resolve));
  stream.destroy(new TypeError('the cable was cut'));
  expect(await reason).toBe('the connection failed: the cable was cut');
  expect(connection.send(frameOf('lease'))).toBe(false);
});
