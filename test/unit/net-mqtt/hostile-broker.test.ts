/**
 * A coordinator that holds the right key and then sends whatever it likes: the agent's side closes
 * what is broken before it is buffered, throws nothing, and goes on by the other coordinator.
 */
import { createServer, type TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { pskServerOptions } from '../../../shared/net/mqtt-tls.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { milliseconds, seconds } from '../../../shared/time/duration.ts';
import { type BrokerRig, brokerRig, eventually, host, testKey } from '../coordinator/broker-rig.ts';
import { packetHead, publishPacket } from '../coordinator/raw-mqtt.ts';
import { broker, type TestBus, testBus } from './bus-rig.ts';

const CONNACK = Buffer.from([0x20, 2, 0, 0]);
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Hostile {
  readonly port: number;
  readonly connections: TLSSocket[];
}

/** Lets every node in by its key, accepts the CONNECT, and then says `words`. */
async function hostileBroker(words: (turn: number) => Uint8Array): Promise<Hostile> {
  const connections: TLSSocket[] = [];
  const server = createServer({
    ...pskServerOptions,
    pskCallback: (_socket, identity) => Buffer.from(testKey(identity)),
  });
  server.on('secureConnection', (socket) => {
    const turn = connections.push(socket) - 1;
    socket.on('error', () => undefined);
    // The CONNECT has come.
    socket.once('data', () => socket.write(Buffer.concat([CONNACK, words(turn)])));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  cleanups.push(async () => {
    for (const socket of connections) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as { port: number };
  return { port, connections };
}

/** A bus with the hostile broker and a good one; it still hears what comes by the good one. */
async function between(
  hostile: Hostile,
): Promise<{ pi1: TestBus; stillHears: () => Promise<void> }> {
  const good: BrokerRig = await brokerRig();
  cleanups.push(() => good.close());
  const pi1 = testBus('pi1', [broker('bad', hostile.port), broker('good', good.broker.port)]);
  cleanups.push(() => pi1.bus.close());
  await eventually('the good coordinator', () => pi1.bus.connected().includes('good'));
  const stillHears = async (): Promise<void> => {
    const before = pi1.heard.command.length;
    await eventually('a message by the good one', () => {
      good.broker.publish('baton-wire/pi1/command/probe', '{}', { retain: false });
      return pi1.heard.command.length > before;
    });
  };
  return { pi1, stillHears };
}

it('20 MiB in one packet close the connection before they are taken', async () => {
  const bytes = 20 * 1024 * 1024;
  let ended = 0;
  const hostile = await hostileBroker(() => packetHead(0x30, bytes));
  const { pi1, stillHears } = await between(hostile);
  await eventually('the agent hangs up', () => {
    ended = hostile.connections.filter((socket) => socket.destroyed || socket.readableEnded).length;
    return ended > 0;
  });
  expect(hostile.connections[0]?.bytesWritten).toBeLessThan(1000);
  await stillHears();
  // A connection that was up and fell is told as that; how often it is tried is bounded by pauses.
  expect(pi1.heard.lease).toEqual([]);
  expect(pi1.notices.filter(({ broker: from }) => from === 'good')).toHaveLength(1);
});

it('random bytes after the greeting are survived, whatever they are', async () => {
  const samples = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 600 }), 60);
  const hostile = await hostileBroker((turn) => samples[turn % samples.length] ?? CONNACK);
  const { pi1, stillHears } = await between(hostile);
  const crowd = Array.from({ length: 30 }, (_, at) =>
    testBus(`pi${at}`, [broker('bad', hostile.port)]),
  );
  cleanups.push(async () => {
    await Promise.all(crowd.map(({ bus }) => bus.close()));
  });
  await eventually('all of them', () => hostile.connections.length > samples.length / 2);
  // Half a packet leaves the agent waiting for its rest: those it is hung up on.
  for (const socket of [...hostile.connections]) socket.end();
  await eventually('again', () => hostile.connections.length > samples.length);
  await stillHears();
  expect(pi1.bus.connected()).toContain('good');
});

it('whatever comes on topics that nobody asked for reaches no handler', async () => {
  const topics = [
    'baton-wire/pi2/lease/pi3',
    'baton-wire/pi2/ranking',
    'baton-wire/pi2/command/move',
    'baton/pi1/status',
    '$SYS/broker',
    'x',
  ];
  const packets = fc
    .sample(fc.tuple(fc.constantFrom(...topics), fc.uint8Array({ maxLength: 200 })), 200)
    .map(([topic, payload]) => publishPacket(topic, payload));
  const last = publishPacket('baton-wire/pi2/report', 'the end');
  const hostile = await hostileBroker(() => Buffer.concat([...packets, last]));
  const { pi1, stillHears } = await between(hostile);
  await eventually('the last packet', () => pi1.heard.report.includes('pi2: the end'));
  expect(pi1.heard).toMatchObject({ lease: [], ranking: [] });
  expect(pi1.heard.command.filter((line) => !line.includes('/probe'))).toEqual([]);
  await stillHears();
});

it('one that takes everybody and keeps nobody is left alone for longer and longer', async () => {
  const hostile = await hostileBroker(() => new Uint8Array());
  const clock = fakeClock();
  const { bus } = testBus('pi1', [broker('bad', hostile.port)], { clock });
  cleanups.push(() => bus.close());
  const pauses: number[] = [];
  for (let turn = 0; turn < 7; turn += 1) {
    await eventually('it is let in', () => bus.connected().length === 1);
    hostile.connections.at(-1)?.destroy();
    await eventually('it will come again', () => clock.pending === 1);
    const pause = milliseconds((clock.nextTimer() ?? 0) - clock.now());
    pauses.push(pause);
    clock.advance(pause);
  }
  expect(pauses[0]).toBeLessThanOrEqual(250);
  expect(pauses.at(-1)).toBeGreaterThanOrEqual(2500);
  // After a connection that lasted, the next loss is answered at once.
  await eventually('it is let in', () => bus.connected().length === 1);
  clock.advance(seconds(5));
  hostile.connections.at(-1)?.destroy();
  await eventually('it will come again', () => clock.pending === 1);
  expect((clock.nextTimer() ?? 0) - clock.now()).toBeLessThanOrEqual(250);
});
