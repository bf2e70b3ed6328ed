/**
 * Garbage on every door, topic and packet type: the broker counts it, closes what is broken, and
 * goes on serving everybody else.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SightingBook } from '../../../coordinator/sightings.ts';
import { systemClock } from '../../../shared/adapters/system-clock.ts';
import { PacketSizeWatch } from '../../../shared/net/mqtt-packet-size.ts';
import { type BrokerRig, brokerRig, eventually } from './broker-rig.ts';
import {
  connectPacket,
  dialBroker,
  dialPlain,
  pingPacket,
  publishPacket,
  type RawPeer,
  subscribePacket,
} from './raw-mqtt.ts';

let rig: BrokerRig;
let book: SightingBook;

beforeAll(async () => {
  rig = await brokerRig();
  book = new SightingBook(['pi1', 'pi2', 'pi3'], systemClock());
  rig.broker.onMessage('baton-wire/+/report', (topic, payload) => {
    book.report(topic.split('/')[1] ?? '', payload);
  });
  rig.broker.onMessage('baton/+/status', (topic, payload) => {
    book.status(topic.split('/')[1] ?? '', payload);
  });
});
afterAll(() => rig.close());

/** A fresh client gets its CONNACK and a message through: the broker lives. */
const brokerLives = async (): Promise<void> => {
  const peer = await dialBroker(rig.broker.port, 'pi2');
  peer.socket.write(
    Buffer.concat([
      connectPacket('probe'),
      subscribePacket(['baton/pi2/#']),
      publishPacket('baton/pi2/probe/alive', 'yes'),
    ]),
  );
  await eventually('an echo', () => peer.text().includes('baton/pi2/probe/aliveyes'));
  peer.socket.destroy();
};

/** Connected, and `bytes` sent and worked off: answered by PINGRESP, or by closing. */
const send = async (bytes: Uint8Array): Promise<void> => {
  const peer = await dialBroker(rig.broker.port, 'pi1');
  peer.socket.write(connectPacket('fuzz'));
  await eventually('CONNACK', () => peer.received().length >= 4);
  peer.socket.write(Buffer.concat([bytes, pingPacket]));
  const pong = Buffer.from([0xd0, 0]);
  await Promise.race([
    eventually('the end', () => peer.isClosed() || peer.received().includes(pong)),
    // Half a packet leaves the broker waiting for the rest of it.
    new Promise((resolve) => setTimeout(resolve, 50)),
  ]);
  await settled(peer);
};

const settled = (peer: RawPeer): Promise<void> =>
  new Promise((resolve) => {
    peer.socket.once('close', () => resolve());
    peer.socket.end();
    if (peer.isClosed()) resolve();
  });

describe('garbage', () => {
  it('in place of a TLS handshake', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 600 }), async (bytes) => {
        const peer = await dialPlain(rig.broker.port);
        peer.socket.write(bytes);
        await settled(peer);
      }),
      { numRuns: 30 },
    );
    await brokerLives();
  });

  it('in place of CONNECT, on both doors', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 600 }), async (bytes) => {
        const [tls, plain] = await Promise.all([
          dialBroker(rig.broker.port, 'pi1'),
          dialPlain(rig.broker.readerPort ?? 0),
        ]);
        tls.socket.write(bytes);
        plain.socket.write(bytes);
        await Promise.all([settled(tls), settled(plain)]);
      }),
      { numRuns: 30 },
    );
    await brokerLives();
  });

  it('after a proper CONNECT', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 600 }), send), {
      numRuns: 40,
    });
    await brokerLives();
  });

  it('as payload on every topic a node may use, and as topics and filters', async () => {
    const topic = fc.oneof(
      fc.constantFrom(
        'baton-wire/pi1/report',
        'baton-wire/pi1/lease/pi2',
        'baton-wire/pi1/ranking',
        'baton-wire/pi2/command/move',
        'baton/pi1/status',
        'baton/pi1/power/undervoltage',
        'baton/pi1/event',
      ),
      fc.string({ minLength: 1, maxLength: 40 }).map((name) => `baton/pi1/${name}`),
      fc.string({ minLength: 1, maxLength: 40 }),
    );
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.json().map((json) => Buffer.from(json)),
      fc.string({ unit: 'binary', maxLength: 80 }).map((words) => Buffer.from(words)),
    );
    const before = book.ignored;
    await fc.assert(
      fc.asyncProperty(topic, payload, fc.boolean(), async (name, bytes, retain) => {
        const report = publishPacket('baton-wire/pi1/report', bytes);
        const garbage = [publishPacket(name, bytes, retain), subscribePacket([name])];
        await send(Buffer.concat([report, ...garbage]));
      }),
      { numRuns: 60 },
    );
    await brokerLives();
    expect(book.ignored).toBeGreaterThan(before);
    expect(book.sightings().size).toBe(0);
  });

  it('is said a bounded number of times', () => {
    // Each kind once for each peer; three hundred broken connections gave at most these.
    expect(rig.lines.length).toBeLessThan(20);
  });
});

describe('packet sizes', () => {
  const limit = 1000;
  const head = (length: number): Buffer => {
    const bytes = [0x30];
    let rest = length;
    do {
      bytes.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
      rest = Math.floor(rest / 128);
    } while (rest > 0);
    return Buffer.from(bytes);
  };

  it('are seen whatever way the stream is cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: limit }), { maxLength: 6 }),
        fc.integer({ min: limit + 1, max: 268_435_455 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }),
        (fine, tooLong, cuts) => {
          const small = fine.map((length) => Buffer.concat([head(length), Buffer.alloc(length)]));
          const stream = Buffer.concat([...small, head(tooLong)]);
          const watch = new PacketSizeWatch(limit);
          let at = 0;
          let verdict = watch.feed(Buffer.alloc(0));
          for (let turn = 0; at < stream.length; turn += 1) {
            expect(verdict.ok).toBe(true);
            const size = cuts[turn % cuts.length] ?? 1;
            verdict = watch.feed(stream.subarray(at, at + size));
            at += size;
          }
          expect(verdict).toEqual({ ok: false, announced: tooLong });
        },
      ),
    );
  });

  it('refuses a length of more than four bytes', () => {
    const watch = new PacketSizeWatch(limit);
    const verdict = watch.feed(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]));
    expect(verdict).toEqual({ ok: false, announced: null });
  });
});
