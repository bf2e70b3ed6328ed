/** A whole coordinator on loopback with agents' buses, garbage, and people who read. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Coordinator,
  type CoordinatorOptions,
  startCoordinator,
} from '../../../coordinator/coordinator.ts';
import { systemClock } from '../../../shared/adapters/system-clock.ts';
import { decodeRanking, encodeReport } from '../../../shared/protocol/report-codec.ts';
import { broker, type TestBus, testBus } from '../net-mqtt/bus-rig.ts';
import { eventually, host, PACKET_LIMIT, testKeys } from './broker-rig.ts';
import {
  connectPacket,
  dialBroker,
  dialPlain,
  packetHead,
  publishPacket,
  subscribePacket,
} from './raw-mqtt.ts';
import { reportOf } from './report-sample.ts';

let coordinator: Coordinator;
let lines: string[] = [];
const buses: TestBus[] = [];

const node = (name: string, eligible: boolean) => ({
  name,
  address: host,
  link_port: 7947,
  eligible,
  voter: true,
  mqtt_port: 8883,
  coordinator: name === 'pi1',
  api_port: 6443,
  weight: 0,
});

const start = async (): Promise<void> => {
  lines = [];
  const say = (_context: object, text: string): void => void lines.push(text);
  const options: CoordinatorOptions = {
    settings: {
      node: { name: 'pi1' },
      cluster: {
        key_file: '/nowhere',
        nodes: [node('pi1', true), node('pi2', true), node('pi3', false)],
      },
      listen: { address: host, mqtt_port: 0, packet_limit_bytes: PACKET_LIMIT },
      reader: { enabled: true, address: host, port: 0 },
      log: { level: 'info' },
    },
    keys: testKeys,
    clock: systemClock(),
    log: { info: say, warn: say },
    memory: () => ({ rss_mb: 60, anon_mb: 30 }),
  };
  coordinator = await startCoordinator(options);
};

const agent = (name: string, bootId?: string): TestBus => {
  const bus = testBus(
    name,
    [broker('pi1', coordinator.port)],
    bootId === undefined ? {} : { bootId },
  );
  buses.push(bus);
  return bus;
};

afterEach(async () => {
  await Promise.all(buses.splice(0).map(({ bus }) => bus.close()));
  await coordinator.close();
});

/** A person on this machine, with everything below baton/. */
const reader = async () => {
  const peer = await dialPlain(coordinator.readerPort ?? 0);
  peer.socket.write(Buffer.concat([connectPacket('person'), subscribePacket(['baton/#'])]));
  return peer;
};

describe('a coordinator', () => {
  it('turns reports into the view for people and a ranking for agents', async () => {
    await start();
    const [pi1, pi2, pi3] = [agent('pi1'), agent('pi2'), agent('pi3')];
    pi1.bus.publishReport(encodeReport(reportOf('pi1', { role: 'master' })));
    pi2.bus.publishReport(encodeReport(reportOf('pi2')));
    pi3.bus.publishReport(encodeReport(reportOf('pi3', { eligible: false, role: 'witness' })));
    const person = await reader();
    await eventually('the master', () => person.text().includes('baton/cluster/masterpi1'));
    await eventually('the reason', () =>
      person.text().includes('baton/cluster/scout/pi2/reasonsnothing speaks against it'),
    );
    // Before pi1 has said that it is the master, it is ranked as well.
    await eventually('the ranking of the only candidate', () => {
      const last = pi3.heard.ranking.at(-1) ?? '';
      const decoded = decodeRanking(last.replace(/^pi1: /, ''), 'pi1');
      const order = decoded.ok ? decoded.ranking.order.map((entry) => entry.node) : [];
      return last.startsWith('pi1: ') && last.includes('nothing speaks') && order.join() === 'pi2';
    });
    person.socket.destroy();
  });

  it('shows the end of a master by its will', async () => {
    await start();
    const raw = await dialBroker(coordinator.port, 'pi1');
    const will = { topic: 'baton/pi1/status', payload: 'offline boot-of-pi1' };
    const report = encodeReport(reportOf('pi1', { role: 'master' }));
    raw.socket.write(
      Buffer.concat([connectPacket('agent', will), publishPacket('baton-wire/pi1/report', report)]),
    );
    const person = await reader();
    await eventually('the master', () => person.text().includes('baton/cluster/masterpi1'));
    raw.socket.destroy();
    await eventually('no master', () => {
      const text = person.text();
      return text.lastIndexOf('masternone') > text.lastIndexOf('masterpi1');
    });
    person.socket.destroy();
  });

  it('tells two machines with one name once, shows it, and takes it back', async () => {
    await start();
    const first = agent('pi2', 'boot-a');
    await eventually('the first', () => first.bus.connected().length === 1);
    const second = agent('pi2', 'boot-b');
    const person = await reader();
    await eventually('the conflict', () => {
      first.bus.publish('baton/pi2/agent/beat', `${performance.now()}`, { retain: false });
      return person
        .text()
        .includes('name_conflict/pi2two machines run as pi2: the one of boot boot-a');
    });
    await second.bus.close();
    await first.bus.close();
    await eventually('all clear', () => lines.some((line) => line.includes('only one machine')));
    const late = await reader();
    await eventually('the view', () => late.text().includes('baton/cluster/master'));
    expect(late.text()).not.toContain('name_conflict');
    expect(lines.filter((line) => line.includes('two machines'))).toHaveLength(1);
    for (const peer of [person, late]) peer.socket.destroy();
  });

  it('goes on for the others while one sends 20 MiB and another garbage reports', async () => {
    await start();
    const large = await dialBroker(coordinator.port, 'pi3');
    large.socket.write(Buffer.concat([connectPacket('x'), packetHead(0x30, 20 * 1024 * 1024)]));
    const pi2 = agent('pi2');
    for (const text of ['', '{', '[]', '{"node":"pi1"}', encodeReport(reportOf('pi1'))]) {
      pi2.bus.publishReport(text);
    }
    const pi1 = agent('pi1');
    pi1.bus.publishReport(encodeReport(reportOf('pi1', { role: 'master' })));
    await eventually('the close', () => large.isClosed());
    const person = await reader();
    await eventually('the master', () => person.text().includes('baton/cluster/masterpi1'));
    const nothing = 'scout/pi2/reasons-1000 has not reported yet';
    await eventually('the silence', () => person.text().includes(nothing));
    expect(lines.filter((line) => line.includes('20971520 bytes'))).toHaveLength(1);
    person.socket.destroy();
  });
});
