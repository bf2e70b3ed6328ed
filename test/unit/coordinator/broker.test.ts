/** The broker as a whole, on loopback, with peers that behave and peers that do not. */
import { connect as tlsConnect } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { brokerLimits } from '../../../coordinator/broker/broker.ts';
import {
  type BrokerRig,
  brokerRig,
  eventually,
  host,
  PACKET_LIMIT,
  testKey,
} from './broker-rig.ts';
import {
  connectPacket,
  dialBroker,
  dialPlain,
  packetHead,
  pingPacket,
  publishPacket,
  type RawPeer,
  subscribePacket,
} from './raw-mqtt.ts';

const CONNACK_OK = Buffer.from([0x20, 2, 0, 0]);

let rig: BrokerRig;
const peers: RawPeer[] = [];

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.destroy();
  await rig.close();
});

/** Connected over MQTT; fails the test when the broker says anything but yes. */
const enter = async (identity: string, clientId = 'test', will?: [string, string]) => {
  const peer = await dialBroker(rig.broker.port, identity);
  peers.push(peer);
  const last = will === undefined ? undefined : { topic: will[0], payload: will[1] };
  peer.socket.write(connectPacket(clientId, last));
  await eventually('CONNACK', () => peer.received().length >= 4);
  expect(peer.received().subarray(0, 4)).toEqual(CONNACK_OK);
  return peer;
};

const agent = (node: string, boot: string) =>
  enter(node, 'agent', [`baton/${node}/status`, `offline ${boot}`]);

const subscribed = async (peer: RawPeer, filter: string) => {
  const before = peer.received().length;
  peer.socket.write(subscribePacket([filter]));
  await eventually('SUBACK', () => peer.received().length >= before + 5);
};

describe('keys', () => {
  it('refuses a wrong key, says so once, and again after it was right', async () => {
    rig = await brokerRig();
    const wrong = testKey('another cluster');
    for (let attempt = 0; attempt < 5; attempt += 1) {
      await expect(dialBroker(rig.broker.port, 'pi2', wrong)).rejects.toThrow();
    }
    await eventually('the line', () => rig.lines.length > 0);
    expect(rig.lines).toEqual([expect.stringContaining('holds another cluster key. Copy')]);
    await enter('pi2');
    await expect(dialBroker(rig.broker.port, 'pi2', wrong)).rejects.toThrow();
    await eventually('the second line', () => rig.lines.length === 2);
  });

  it('refuses a name that is not in the settings, in other words', async () => {
    rig = await brokerRig();
    await expect(dialBroker(rig.broker.port, 'pi9')).rejects.toThrow();
    await eventually('the line', () => rig.lines.length > 0);
    expect(rig.lines[0]).toContain('no node of that name is in cluster.nodes');
  });

  it('negotiates forward secrecy and the better cipher, whatever is listed first', async () => {
    rig = await brokerRig();
    const key = testKey('pi2');
    const socket = tlsConnect({
      host,
      port: rig.broker.port,
      ciphers: 'ECDHE-PSK-AES128-CBC-SHA256:ECDHE-PSK-CHACHA20-POLY1305',
      maxVersion: 'TLSv1.2',
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ identity: 'pi2', psk: key }),
    });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    expect(socket.getCipher().name).toBe('ECDHE-PSK-CHACHA20-POLY1305');
    socket.destroy();
  });

  it('offers nothing without forward secrecy', async () => {
    rig = await brokerRig();
    const key = testKey('pi2');
    const refused = new Promise((_resolve, reject) => {
      const socket = tlsConnect({
        host,
        port: rig.broker.port,
        ciphers: 'PSK-AES128-CBC-SHA256:PSK-CHACHA20-POLY1305',
        maxVersion: 'TLSv1.2',
        checkServerIdentity: () => undefined,
        pskCallback: () => ({ identity: 'pi2', psk: key }),
      });
      socket.once('error', reject);
    });
    await expect(refused).rejects.toThrow();
  });
});

describe('rules', () => {
  it('carries lease messages to the one they are for', async () => {
    rig = await brokerRig();
    const pi1 = await agent('pi1', 'boot-a');
    const pi3 = await agent('pi3', 'boot-c');
    await subscribed(pi3, 'baton-wire/+/lease/pi3');
    pi1.socket.write(publishPacket('baton-wire/pi1/lease/pi3', Buffer.from([0, 255, 1])));
    await eventually('the message', () => pi3.text().includes('baton-wire/pi1/lease/pi3'));
    expect(pi3.received().subarray(-3)).toEqual(Buffer.from([0, 255, 1]));
  });

  it('loses no value when retained and other messages come in one breath', async () => {
    rig = await brokerRig();
    const reader = await enter('reader@pi3');
    await subscribed(reader, 'baton/#');
    const pi1 = await enter('pi1');
    const wanted = Array.from({ length: 20 }, (_, index) => `baton/pi1/value/n${index}=${index};`);
    const packets = wanted.flatMap((line) => {
      const [topic = '', value = ''] = line.split('=');
      return [
        publishPacket(topic, `=${value}`, true),
        publishPacket('baton/pi1/event', 'meanwhile', false),
      ];
    });
    pi1.socket.write(Buffer.concat(packets));
    const got = (): string[] => reader.text().match(/baton\/pi1\/value\/n\d+=\d+;/g) ?? [];
    await eventually('the last', () => got().includes(wanted.at(-1) ?? ''));
    expect(got()).toEqual(wanted);
  });

  it('shows a subscriber no retained value after the one that replaced it (BUGS 90)', async () => {
    rig = await brokerRig();
    const topics = Array.from({ length: 40 }, (_, index) => `baton/cluster/n${index}`);
    const cleared = topics[20];
    const publish = (topic: string, payload: string) =>
      rig.broker.publish(topic, payload, { retain: true });
    for (const topic of topics) publish(topic, '=old;');
    const reader = await enter('reader@pi3');
    // In the midst of what it is sent of the old ones.
    const replace = () => {
      for (const topic of topics) publish(topic, topic === cleared ? '' : '=new;');
    };
    reader.socket.once('data', () => reader.socket.once('data', replace));
    reader.socket.write(subscribePacket(['baton/#']));
    const got = () => reader.text().match(/baton\/cluster\/n\d+=\w+;/g) ?? [];
    const kept = topics.filter((topic) => topic !== cleared);
    await eventually('each as retained, and as it came', () => got().length >= 2 * kept.length);
    expect(got()[0]).toContain('=old;');
    const last = topics.map((topic) => got().findLast((line) => line.startsWith(`${topic}=`)));
    expect(last.filter((line) => line !== undefined)).toEqual(kept.map((one) => `${one}=new;`));
  });

  it('closes a node that publishes under another name, and nobody receives it', async () => {
    rig = await brokerRig();
    const seen: string[] = [];
    rig.broker.onMessage('baton/#', (topic) => void seen.push(topic));
    const pi3 = await enter('pi3');
    pi3.socket.write(publishPacket('baton/pi1/status', 'online forged', true));
    await eventually('the close', () => pi3.isClosed());
    const late = await dialPlain(rig.broker.readerPort ?? 0);
    peers.push(late);
    late.socket.write(connectPacket('late'));
    await subscribed(late, 'baton/#');
    expect(seen).toEqual([]);
    expect(late.text()).not.toContain('forged');
    expect(rig.lines).toEqual([expect.stringContaining('only under its own name')]);
  });

  it('takes a will only on the node’s own topics', async () => {
    rig = await brokerRig();
    const peer = await dialBroker(rig.broker.port, 'pi3');
    peers.push(peer);
    peer.socket.write(connectPacket('x', { topic: 'baton/cluster/master', payload: 'pi3' }));
    await eventually('the close', () => peer.isClosed());
    expect(rig.broker.statistics().refusedPublishes).toBe(1);
  });

  it('answers a forbidden or shared subscription with 0x80 and delivers nothing', async () => {
    rig = await brokerRig();
    const pi3 = await enter('pi3');
    pi3.socket.write(subscribePacket(['baton-wire/+/lease/pi1', '$share/g/baton/#', '#']));
    await eventually('SUBACK', () => pi3.received().length >= 11);
    expect(pi3.received().subarray(4, 11)).toEqual(Buffer.from([0x90, 5, 0, 1, 0x80, 0x80, 0x80]));
  });

  it('lets the reader’s door read baton/ and closes it when it publishes', async () => {
    rig = await brokerRig();
    rig.broker.publish('baton/cluster/master', 'pi1', { retain: true });
    const reader = await dialPlain(rig.broker.readerPort ?? 0);
    peers.push(reader);
    reader.socket.write(connectPacket('reader'));
    await subscribed(reader, 'baton/#');
    await eventually('the retained value', () => reader.text().includes('baton/cluster/masterpi1'));
    reader.socket.write(publishPacket('baton/cluster/master', 'me', true));
    await eventually('the close', () => reader.isClosed());
  });

  it('keeps one identity’s client ids apart from another’s', async () => {
    rig = await brokerRig();
    const one = await enter('pi1', 'same');
    const other = await enter('pi2', 'same');
    one.socket.write(pingPacket);
    await eventually('an answer', () => one.received().length > 4);
    expect([one.isClosed(), other.isClosed()]).toEqual([false, false]);
  });
});

describe('bounds', () => {
  it('closes a connection that announces 20 MiB, before the bytes are taken', async () => {
    rig = await brokerRig();
    const pi1 = await enter('pi1');
    const bytes = 20 * 1024 * 1024;
    pi1.socket.write(packetHead(0x30, bytes));
    await eventually('the close', () => pi1.isClosed());
    expect(rig.lines[0]).toContain(`announced ${bytes} bytes; at most ${PACKET_LIMIT}`);
    await enter('pi1');
  });

  it('takes small packets only from a reader, even before it says who it is', async () => {
    rig = await brokerRig();
    const reader = await dialPlain(rig.broker.readerPort ?? 0);
    peers.push(reader);
    reader.socket.write(packetHead(0x10, brokerLimits.readerPacket + 1));
    await eventually('the close', () => reader.isClosed());
  });

  it('does not keep more retained topics of a node than the bound', async () => {
    rig = await brokerRig();
    const pi1 = await enter('pi1');
    const extra = 20;
    for (let index = 0; index < brokerLimits.retainedTopics + extra; index += 1) {
      pi1.socket.write(publishPacket(`baton/pi1/fill/n${index}`, 'x', true));
    }
    await eventually('the line', () => rig.lines.some((line) => line.includes('not retained')));
    pi1.socket.write(publishPacket('baton/pi1/fill/end', '', true));
    const reader = await enter('reader@pi1');
    await subscribed(reader, 'baton/pi1/#');
    const count = () => reader.text().split('baton/pi1/fill/n').length - 1;
    await eventually('all that is kept', () => count() >= brokerLimits.retainedTopics);
    expect(count()).toBe(brokerLimits.retainedTopics);
  });

  it('goes on for the others when one subscriber stops reading', async () => {
    rig = await brokerRig();
    const frozen = await enter('pi2');
    const awake = await enter('pi3');
    await subscribed(frozen, 'baton/pi1/#');
    await subscribed(awake, 'baton/pi1/#');
    frozen.socket.pause();
    const pi1 = await enter('pi1');
    const chunk = Buffer.alloc(100 * 1024, 120);
    // Loopback takes a few MiB before the sender notices that nobody reads.
    for (let index = 0; index < 200 && rig.broker.statistics().skipped === 0; index += 1) {
      const wanted = awake.received().length + chunk.length;
      pi1.socket.write(publishPacket('baton/pi1/event', chunk));
      await eventually('delivery to the one awake', () => awake.received().length >= wanted);
    }
    expect(rig.broker.statistics().skipped).toBeGreaterThan(0);
    expect(rig.lines.some((line) => line.startsWith('pi2') && line.includes('slow'))).toBe(true);
  });
});

describe('two machines with one name', () => {
  it('bars the newcomer once the first is heard again, and says so once', async () => {
    rig = await brokerRig();
    const first = await agent('pi2', 'boot-a');
    const second = await agent('pi2', 'boot-b');
    const chatter = setInterval(() => first.socket.write(pingPacket), 100);
    await eventually('the newcomer is closed', () => second.isClosed());
    const third = await dialBroker(rig.broker.port, 'pi2');
    peers.push(third);
    third.socket.write(
      connectPacket('agent', { topic: 'baton/pi2/status', payload: 'offline boot-b' }),
    );
    await eventually('CONNACK', () => third.received().length >= 4);
    clearInterval(chatter);
    expect(third.received().subarray(0, 4)).toEqual(Buffer.from([0x20, 2, 0, 2]));
    expect(rig.duplicates).toEqual(['pi2 boot-a boot-b']);
    expect(first.isClosed()).toBe(false);
    first.socket.destroy();
    await eventually('all clear', () => rig.duplicates.includes('pi2 cleared'));
    await agent('pi2', 'boot-b');
  });

  it('takes a reboot for a reboot: the old will says nothing of the new boot', async () => {
    rig = await brokerRig();
    const seen: string[] = [];
    rig.broker.onMessage('baton/pi2/status', (_topic, payload) => void seen.push(`${payload}`));
    const before = await agent('pi2', 'boot-a');
    const now = await agent('pi2', 'boot-b');
    now.socket.write(publishPacket('baton/pi2/status', 'online boot-b', true));
    await eventually('online', () => seen.length === 1);
    before.socket.destroy();
    await eventually('one is left', () => rig.broker.statistics().connected === 1);
    now.socket.destroy();
    await eventually('the new boot’s will', () => seen.length === 2);
    expect(seen).toEqual(['online boot-b', 'offline boot-b']);
    expect(rig.duplicates).toEqual([]);
  });

  it('lets a restarted agent of the same boot take over', async () => {
    rig = await brokerRig();
    const old = await agent('pi2', 'boot-a');
    const fresh = await agent('pi2', 'boot-a');
    await eventually('the old one is closed', () => old.isClosed());
    expect(fresh.isClosed()).toBe(false);
    expect(rig.duplicates).toEqual([]);
  });
});

describe('ports', () => {
  it('says which port is taken and what to do', async () => {
    rig = await brokerRig();
    const second = brokerRig({ at: { host, port: rig.broker.port } });
    await expect(second).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringContaining(`${host}:${rig.broker.port}`),
    });
  });
});
