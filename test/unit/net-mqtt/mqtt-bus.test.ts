/** The agent's side of MQTT against real brokers: all of them at once, gone, back, and refusing. */
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type BrokerRig, brokerRig, eventually, host, testKey } from '../coordinator/broker-rig.ts';
import { connectPacket, dialPlain, subscribePacket } from '../coordinator/raw-mqtt.ts';
import { broker, type TestBus, testBus } from './bus-rig.ts';

const rigs: BrokerRig[] = [];
const buses: TestBus[] = [];

afterEach(async () => {
  await Promise.all(buses.splice(0).map(({ bus }) => bus.close()));
  await Promise.all(rigs.splice(0).map((rig) => rig.close()));
});

const openRig = async (at = 0): Promise<BrokerRig> => {
  const rig = await brokerRig({ at: { host, port: at } });
  rigs.push(rig);
  return rig;
};

const openBus = (...args: Parameters<typeof testBus>): TestBus => {
  const opened = testBus(...args);
  buses.push(opened);
  return opened;
};

const up = (bus: TestBus, count = 1): Promise<unknown> =>
  eventually('the connection', () => bus.bus.connected().length === count);

/** Sends until it arrives: nobody waits for a subscription in the product either. */
const sentUntilHeard = (send: () => void, list: readonly string[]): Promise<unknown> =>
  eventually('the message', () => {
    send();
    return list.length > 0;
  });

/** What a fresh reader of this machine is shown. */
const shown = async (rig: BrokerRig, filter: string, until: RegExp): Promise<string> => {
  const reader = await dialPlain(rig.broker.readerPort ?? 0);
  reader.socket.write(Buffer.concat([connectPacket('look'), subscribePacket([filter])]));
  await eventually(String(until), () => until.test(reader.text()));
  reader.socket.destroy();
  return reader.text();
};

describe('messages', () => {
  it('go through every broker at once: each lease message arrives by each', async () => {
    const [one, two] = [await openRig(), await openRig()];
    const brokers = [broker('pi1', one.broker.port), broker('pi2', two.broker.port)];
    const pi1 = openBus('pi1', brokers);
    const pi2 = openBus('pi2', brokers);
    await Promise.all([up(pi1, 2), up(pi2, 2)]);
    // Bytes that are no text, and a number that tells one message from the next.
    let sent = 0;
    const copies = (heard: string): number =>
      pi2.heard.lease.filter((line) => line === heard).length;
    await eventually('two copies of one message', () => {
      if (pi2.heard.lease.some((line) => copies(line) === 2)) return true;
      sent += 1;
      expect(pi1.bus.publishLease('pi2', Uint8Array.of(0, 255, sent))).toBe(true);
      return false;
    });
    expect(pi2.heard.lease.every((line) => line.startsWith('pi1: \u0000\u00ff'))).toBe(true);
    expect(pi1.heard.lease).toEqual([]);
  });

  it('say false when nobody can carry them, and go on by the broker that is left', async () => {
    const [one, two] = [await openRig(), await openRig()];
    const brokers = [broker('pi1', one.broker.port), broker('pi2', two.broker.port)];
    const pi1 = openBus('pi1', brokers);
    const pi3 = openBus('pi3', brokers);
    await Promise.all([up(pi1, 2), up(pi3, 2)]);
    await one.close();
    await Promise.all([up(pi1, 1), up(pi3, 1)]);
    await sentUntilHeard(() => pi1.bus.publishLease('pi3', Uint8Array.of(65)), pi3.heard.lease);
    await two.close();
    await up(pi1, 0);
    expect(pi1.bus.publishLease('pi3', Uint8Array.of(65))).toBe(false);
  });

  it('are told apart: report, ranking and command each with who sent it', async () => {
    const rig = await openRig();
    const brokers = [broker('pi1', rig.broker.port)];
    const pi1 = openBus('pi1', brokers);
    const pi3 = openBus('pi3', brokers);
    await Promise.all([up(pi1), up(pi3)]);
    pi1.bus.publishReport('{"node":"pi1"}');
    rig.broker.publish('baton-wire/coordinator-pi2/ranking', '[]', { retain: true });
    // A ranking that is not a coordinator's is nobody's.
    rig.broker.publish('baton-wire/pi2/ranking', 'forged', { retain: true });
    rig.broker.publish('baton-wire/pi3/command/move', '{}', { retain: true });
    await eventually('all three', () =>
      [pi3.heard.report, pi3.heard.ranking, pi3.heard.command].every((list) => list.length > 0),
    );
    // One that comes as the subscription begins is sent as retained too.
    const kinds = Object.entries(pi3.heard).map(([kind, list]) => [kind, [...new Set(list)]]);
    expect(Object.fromEntries(kinds)).toEqual({
      lease: [],
      report: ['pi1: {"node":"pi1"}'],
      ranking: ['pi2: []'],
      command: ['baton-wire/pi3/command/move: {}'],
    });
  });
});

describe('what is retained', () => {
  it('is there again after the broker started with nothing; what was cleared is not', async () => {
    const first = await openRig();
    const { port } = first.broker;
    const pi1 = openBus('pi1', [broker('pi1', port)]);
    await up(pi1);
    pi1.bus.publish('baton/pi1/power/undervoltage', '0', { retain: true });
    pi1.bus.publish('baton/pi1/power/gone', '1', { retain: true });
    pi1.bus.publish('baton/pi1/power/gone', '', { retain: true });
    pi1.bus.publish('baton/pi1/event', 'once', { retain: false });
    await shown(first, 'baton/#', /undervoltage0/);
    await first.close();
    await up(pi1, 0);
    const second = await openRig(port);
    await up(pi1);
    const text = await shown(second, 'baton/#', /undervoltage0/);
    expect(text).toContain('baton/pi1/statusonline boot-of-pi1');
    expect(text).not.toMatch(/gone|once/);
  });

  it('says offline by the will when the agent dies, and by itself when it ends', async () => {
    const rig = await openRig();
    const said: string[] = [];
    rig.broker.onMessage('baton/+/status', (topic, payload) => {
      said.push(`${topic} ${Buffer.from(payload)}`);
    });
    const pi1 = openBus('pi1', [broker('pi1', rig.broker.port)]);
    const pi2 = openBus('pi2', [broker('pi1', rig.broker.port)]);
    await Promise.all([up(pi1), up(pi2)]);
    await pi2.bus.close();
    await eventually('the goodbye', () => said.includes('baton/pi2/status offline boot-of-pi2'));
    expect(said.filter((line) => line.includes('offline'))).toHaveLength(1);
  });

  it('stays online when the same agent comes by a new connection', async () => {
    const rig = await openRig();
    const brokers = [broker('pi1', rig.broker.port)];
    const old = openBus('pi2', brokers);
    await up(old);
    const fresh = openBus('pi2', brokers);
    await up(fresh);
    await eventually('the takeover', () => old.notices.some(({ state }) => state === 'down'));
    await old.bus.close();
    await shown(rig, 'baton/pi2/status', /statusonline boot-of-pi2/);
  });
});

describe('trouble', () => {
  it('with a wrong key is said once, with what to do; the other broker carries on', async () => {
    const [one, two] = [await openRig(), await openRig()];
    const wrong = testKey('another cluster');
    const stranger = openBus('pi2', [broker('pi1', one.broker.port)], { key: wrong });
    const friend = openBus('pi2', [broker('pi2', two.broker.port)]);
    await up(friend);
    await eventually('the notice', () => stranger.notices.length > 0);
    expect(stranger.notices).toEqual([
      {
        broker: 'pi1',
        state: 'key-refused',
        text: expect.stringContaining('Copy the cluster key'),
      },
    ]);
    expect(one.lines).toEqual([expect.stringContaining('holds another cluster key')]);
    expect(stranger.bus.publishLease('pi1', Uint8Array.of(1))).toBe(false);
  });

  it('is said once while nobody listens, and again after it was connected', async () => {
    const rig = await openRig();
    const { port } = rig.broker;
    await rig.close();
    const pi1 = openBus('pi1', [broker('pi9', port)]);
    await eventually('the notice', () => pi1.notices.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(pi1.notices.map(({ state }) => state)).toEqual(['unreachable']);
    const again = await openRig(port);
    await up(pi1);
    await again.close();
    await eventually('the second', () => pi1.notices.length >= 4);
    expect(pi1.notices.map(({ state }) => state)).toEqual([
      'unreachable',
      'up',
      'down',
      'unreachable',
    ]);
  });

  it('with the name of another machine is said with what to do', async () => {
    const rig = await openRig();
    const brokers = [broker('pi1', rig.broker.port)];
    const first = openBus('pi2', brokers, { bootId: 'boot-a' });
    await up(first);
    const second = openBus('pi2', brokers, { bootId: 'boot-b' });
    const taken = () => second.notices.find(({ state }) => state === 'name-taken');
    await eventually('the refusal', () => {
      // What is heard of the first shows that it lives.
      first.bus.publish('baton/pi2/agent/beat', String(performance.now()), { retain: false });
      return taken();
    });
    expect(taken()?.text).toContain('another node.name');
    expect(first.bus.connected()).toEqual(['pi1']);
    expect(rig.duplicates).toEqual(['pi2 boot-a boot-b']);
  });

  it('with something that is no broker costs nothing but the broker', async () => {
    const garbage = createServer((socket) => {
      socket.on('error', () => {});
      socket.resume();
      socket.end(Buffer.alloc(5000, 0xff));
    });
    await new Promise<void>((resolve) => garbage.listen(0, host, resolve));
    const bound = garbage.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const rig = await openRig();
    const pi1 = openBus('pi1', [broker('bad', port), broker('good', rig.broker.port)]);
    await up(pi1);
    const bad = () => pi1.notices.find(({ broker: from }) => from === 'bad');
    await eventually('the notice', bad);
    expect(bad()).toMatchObject({ state: 'unreachable', text: expect.stringContaining('is no') });
    expect(pi1.bus.connected()).toEqual(['good']);
    await new Promise((resolve) => garbage.close(resolve));
  });
});
