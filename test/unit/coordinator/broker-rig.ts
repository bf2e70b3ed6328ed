/**
 * A real broker on loopback for tests, with keys that are derived from nothing but the identity,
 * and everything it says collected.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type Broker, type BrokerOptions, openBroker } from '../../../coordinator/broker/broker.ts';
import type { TransportKeys } from '../../../coordinator/broker/parties.ts';
import { systemClock } from '../../../shared/adapters/system-clock.ts';
import { ownNet } from '../net/own-net.ts';

/** No other program's: a port that was given back is free until a test takes it again. */
export const host = `${ownNet()}.1`;

export const testKey = (identity: string): Uint8Array =>
  createHash('sha256').update(`test transport ${identity}`).digest();

export const testKeys: TransportKeys = { pskFor: testKey };

export const testNodes = [
  { name: 'pi1', eligible: true },
  { name: 'pi2', eligible: true },
  { name: 'pi3', eligible: false },
] as const;

/** As shipped, bytes. */
export const PACKET_LIMIT = 128 * 1024;

export interface BrokerRig {
  readonly broker: Broker;
  /** Every line the broker logged. */
  readonly lines: string[];
  readonly duplicates: string[];
  close(): Promise<void>;
}

export const brokerRig = async (overrides: Partial<BrokerOptions> = {}): Promise<BrokerRig> => {
  const lines: string[] = [];
  const duplicates: string[] = [];
  const say = (_context: object, text: string): void => void lines.push(text);
  const broker = await openBroker({
    nodes: testNodes,
    keys: testKeys,
    clock: systemClock(),
    log: { info: say, warn: say },
    at: { host, port: 0 },
    packetLimit: PACKET_LIMIT,
    readersAt: { host, port: 0 },
    names: {
      duplicate: (node, kept, barred) => void duplicates.push(`${node} ${kept} ${barred}`),
      cleared: (node) => void duplicates.push(`${node} cleared`),
    },
    ...overrides,
  });
  return { broker, lines, duplicates, close: () => broker.close() };
};

/** Polls until `read` gives a value; the limit is generous because the machine may be busy. */
export const eventually = async <Value>(
  what: string,
  read: () => Value | null | undefined | false,
  limitMs = 120_000,
): Promise<Value> => {
  const until = performance.now() + limitMs;
  for (;;) {
    const value = read();
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > until) assert.fail(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
