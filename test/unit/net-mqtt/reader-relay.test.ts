/** People read baton/# on a node without a coordinator: carried to one that answers. */
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { BrokerAddress } from '../../../shared/net/mqtt-bus.ts';
import { openReaderRelay, type ReaderRelay } from '../../../shared/net/reader-relay.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { seconds } from '../../../shared/time/duration.ts';
import { type BrokerRig, brokerRig, eventually, host, testKey } from '../coordinator/broker-rig.ts';
import {
  connectPacket,
  dialPlain,
  publishPacket,
  type RawPeer,
  subscribePacket,
} from '../coordinator/raw-mqtt.ts';
import { broker } from './bus-rig.ts';

const rigs: BrokerRig[] = [];
const relays: ReaderRelay[] = [];
const readers: RawPeer[] = [];
const servers: Server[] = [];

afterEach(async () => {
  for (const reader of readers.splice(0)) reader.socket.destroy();
  await Promise.all(relays.splice(0).map((relay) => relay.close()));
  await Promise.all(rigs.splice(0).map((rig) => rig.close()));
  await Promise.all(servers.splice(0).map((one) => new Promise((done) => one.close(done))));
});

const openRig = async (): Promise<BrokerRig> => {
  const rig = await brokerRig();
  rigs.push(rig);
  return rig;
};

/** Time stands still unless a test lets it pass: a busy machine never makes a dial too slow. */
const openRelay = async (
  brokers: readonly BrokerAddress[],
  { key = testKey('pi3'), clock = fakeClock() } = {},
) => {
  const at = { host, port: 0 };
  const relay = await openReaderRelay({ at, node: 'pi3', key, brokers, clock });
  relays.push(relay);
  return relay;
};

const reading = async (relay: ReaderRelay, filter = 'baton/#'): Promise<RawPeer> => {
  const reader = await dialPlain(relay.port);
  readers.push(reader);
  reader.socket.write(Buffer.concat([connectPacket('people'), subscribePacket([filter])]));
  return reader;
};

/** A port on which connections are taken and nothing is ever said; `taken` is called for each. */
const muteServer = (taken: () => void): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.resume();
      taken();
    }).listen(0, host, () => {
      servers.push(server);
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : 0);
    });
  });

describe('the relay for readers', () => {
  it('shows what is retained and what comes, by the first coordinator that answers', async () => {
    const rig = await openRig();
    const gone = await brokerRig();
    await gone.close();
    const clock = fakeClock();
    const mute = await muteServer(() => clock.advance(seconds(3)));
    const relay = await openRelay(
      [broker('gone', gone.broker.port), broker('mute', mute), broker('pi1', rig.broker.port)],
      { clock },
    );
    rig.broker.publish('baton/cluster/master', 'pi1', { retain: true });
    const reader = await reading(relay);
    await eventually('the retained value', () => reader.text().includes('baton/cluster/masterpi1'));
    rig.broker.publish('baton/pi1/event', 'something', { retain: false });
    await eventually('the event', () => reader.text().includes('baton/pi1/eventsomething'));
  });

  it('lets nobody publish or read what is not for people', async () => {
    const rig = await openRig();
    const relay = await openRelay([broker('pi1', rig.broker.port)]);
    rig.broker.publish('baton-wire/pi1/report', 'machine chatter', { retain: true });
    const curious = await reading(relay, 'baton-wire/#');
    await eventually('SUBACK', () => curious.received().length >= 9);
    expect(curious.received()[8]).toBe(0x80);
    curious.socket.write(publishPacket('baton/pi3/status', 'forged', true));
    await eventually('the close', () => curious.isClosed());
    const honest = await reading(relay);
    await eventually('SUBACK', () => honest.received().length >= 9);
    expect(honest.text()).not.toContain('forged');
    expect(rig.broker.statistics()).toMatchObject({ refusedPublishes: 1, refusedSubscribes: 1 });
  });

  it('closes a reader when its coordinator dies; the next connection goes to another', async () => {
    const [one, two] = [await openRig(), await openRig()];
    const relay = await openRelay([broker('pi1', one.broker.port), broker('pi2', two.broker.port)]);
    two.broker.publish('baton/cluster/coordinator', 'pi2', { retain: true });
    const reader = await reading(relay);
    await eventually('SUBACK', () => reader.received().length >= 9);
    await one.close();
    await eventually('the close', () => reader.isClosed());
    const again = await reading(relay);
    await eventually('the other', () => again.text().includes('coordinatorpi2'));
  });

  it('closes readers when no coordinator answers or the key is wrong', async () => {
    const rig = await openRig();
    const addresses = [broker('pi1', rig.broker.port)];
    const key = testKey('wrong');
    for (const relay of [await openRelay([]), await openRelay(addresses, { key })]) {
      const reader = await reading(relay);
      await eventually('the close', () => reader.isClosed());
    }
  });

  it('says what to do when its port is taken', async () => {
    const relay = await openRelay([]);
    const second = openReaderRelay({
      at: { host, port: relay.port },
      node: 'pi3',
      key: testKey('pi3'),
      brokers: [],
      clock: fakeClock(),
    });
    await expect(second).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringContaining('mqtt.reader_port'),
    });
  });
});
