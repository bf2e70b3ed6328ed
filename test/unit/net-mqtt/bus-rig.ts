/** Agents' buses on loopback against real brokers, with everything they say collected. */
import { systemClock } from '../../../shared/adapters/system-clock.ts';
import {
  type BrokerAddress,
  type BusNotice,
  type MqttBus,
  mqttBus,
} from '../../../shared/net/mqtt-bus.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import { seededRandom } from '../../../shared/ports/fakes/seeded-random.ts';
import { host, testKey } from '../coordinator/broker-rig.ts';

export interface TestBus {
  readonly bus: MqttBus;
  readonly notices: BusNotice[];
  /** `<from>: <text>` of every message, by kind. */
  readonly heard: Record<'lease' | 'report' | 'ranking' | 'command', string[]>;
}

export const broker = (name: string, port: number): BrokerAddress => ({
  name,
  host,
  port,
});

export const testBus = (
  node: string,
  brokers: readonly BrokerAddress[],
  different: { bootId?: string; key?: Uint8Array; clock?: Clock } = {},
): TestBus => {
  const notices: BusNotice[] = [];
  const heard: TestBus['heard'] = { lease: [], report: [], ranking: [], command: [] };
  const bus = mqttBus({
    node,
    bootId: different.bootId ?? `boot-of-${node}`,
    brokers,
    credentials: { identity: node, key: different.key ?? testKey(node) },
    clock: different.clock ?? systemClock(),
    random: seededRandom(1),
    notice: (notice) => void notices.push(notice),
  });
  const note = (kind: keyof TestBus['heard']) => (from: string, payload: Uint8Array) =>
    void heard[kind].push(`${from}: ${Buffer.from(payload).toString('latin1')}`);
  bus.onLease(note('lease'));
  bus.onReport(note('report'));
  bus.onRanking(note('ranking'));
  bus.onCommand(note('command'));
  return { bus, notices, heard };
};
