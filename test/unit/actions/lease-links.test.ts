/** Direct links of the lease: dialled again and again, told once, and what goes out on which. */
import { expect, test } from 'vitest';
import {
  type LeaseLinks,
  type LinkNotice,
  leaseLinks,
} from '../../../agent/actions/lease-links.ts';
import { type FakeClock, fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { type MemoryNetwork, memoryNetwork } from '../../../shared/ports/fakes/memory-network.ts';
import type { FrameConnection } from '../../../shared/ports/network.ts';
import { milliseconds, seconds } from '../../../shared/time/duration.ts';

const ports: Readonly<Record<string, number>> = { pi1: 1, pi2: 2, pi3: 3 };
const host = '127.0.0.1';

interface Node {
  readonly links: LeaseLinks;
  readonly notices: string[];
  /** To whom a link came up, and whether it could carry something then. */
  readonly ups: [string, boolean][];
  readonly heard: string[];
  readonly bulk: FrameConnection[];
  stop(): Promise<void>;
}

const start = async (
  network: MemoryNetwork,
  clock: FakeClock,
  name: string,
  dials: readonly string[],
  key = 'ours',
): Promise<Node> => {
  const [notices, heard, bulk]: [string[], string[], FrameConnection[]] = [[], [], []];
  const port = network.join({ name, key });
  const ups: [string, boolean][] = [];
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const links = leaseLinks({
    network: port,
    clock,
    peers: dials.map((peer) => ({ name: peer, host, port: ports[peer] ?? 0 })),
    onLease: (from, bytes) => heard.push(`lease ${from} ${text(bytes)}`),
    onReport: (from, bytes) => heard.push(`report ${from} ${text(bytes)}`),
    onBulk: (connection) => bulk.push(connection),
    notice: ({ peer, state, code }: LinkNotice) =>
      notices.push([peer, state, code].filter((word) => word !== null).join(' ')),
    linkUp: (peer) => ups.push([peer, links.connected().includes(peer)]),
  });
  const listening = await port.listen({ host, port: ports[name] ?? 0 }, (connection) =>
    links.accept(connection),
  );
  const stop = async (): Promise<void> => {
    links.close();
    await listening.close();
    await settled();
  };
  return { links, notices, ups, heard, bulk, stop };
};

/** Lets promises and microtasks of the fake network run out. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
};
const pass = async (clock: FakeClock, time: number): Promise<void> => {
  for (let at = 0; at < time; at += 100) {
    clock.advance(milliseconds(100));
    await settled();
  }
};
const hello = Buffer.from('hello');

test('two nodes that dial each other hear each message once', async () => {
  const clock = fakeClock();
  const network = memoryNetwork();
  const one = await start(network, clock, 'pi1', ['pi2']);
  const two = await start(network, clock, 'pi2', ['pi1']);
  await pass(clock, 2000);
  expect(one.notices.at(-1)).toBe('pi2 up');
  // Each of the two links, and at a moment at which it can carry what has waited.
  expect([one.ups, two.ups]).toEqual([Array(2).fill(['pi2', true]), Array(2).fill(['pi1', true])]);
  expect(two.links.send('pi1', 'lease', hello)).toBe(true);
  expect(one.links.send('pi2', 'report', hello)).toBe(true);
  await settled();
  expect(one.heard).toEqual(['lease pi2 hello']);
  expect(two.heard).toEqual(['report pi1 hello']);
  expect(one.links.connected()).toEqual(['pi2']);
  expect(one.links.send('pi3', 'lease', hello)).toBe(false);
});

test('a node that is gone is told once, dialled on, and found again within seconds', async () => {
  const clock = fakeClock();
  const network = memoryNetwork();
  const one = await start(network, clock, 'pi1', []);
  const witness = await start(network, clock, 'pi3', ['pi1']);
  await pass(clock, 1000);
  await one.stop();
  expect(witness.links.connected()).toEqual([]);
  expect(witness.links.send('pi1', 'lease', hello)).toBe(false);
  await pass(clock, 120_000);
  expect(witness.notices).toEqual(['pi1 up', 'pi1 down']);
  const again = await start(network, clock, 'pi1', []);
  await pass(clock, 4500);
  expect(witness.notices).toEqual(['pi1 up', 'pi1 down', 'pi1 up']);
  expect(again.links.send('pi3', 'lease', hello)).toBe(true);
  await settled();
  expect(witness.heard).toEqual(['lease pi1 hello']);
});

test('a refusal is told once, with what it is, however often it is repeated', async () => {
  const clock = fakeClock();
  const network = memoryNetwork();
  await start(network, clock, 'pi1', []);
  const foreign = await start(network, clock, 'pi2', ['pi1'], 'theirs');
  await pass(clock, 60_000);
  expect(foreign.notices).toEqual(['pi1 refused link-key-refused']);
});

test('a second machine under one name learns it, also when the other node was away', async () => {
  const clock = fakeClock();
  const network = memoryNetwork();
  await start(network, clock, 'pi2', ['pi1']);
  await pass(clock, 5000);
  const one = await start(network, clock, 'pi1', []);
  await pass(clock, 5000);
  expect(one.links.connected()).toEqual(['pi2']);
  const codes: (string | null)[] = [];
  const copy = leaseLinks({
    network: network.join({ name: 'pi2', key: 'ours' }),
    clock,
    peers: [{ name: 'pi1', host, port: 1 }],
    onLease: () => undefined,
    onReport: () => undefined,
    onBulk: () => undefined,
    notice: ({ code }) => codes.push(code),
    linkUp: () => undefined,
  });
  await pass(clock, 30_000);
  expect(codes).toEqual(['duplicate-node']);
  copy.close();
});

test('bulk connections are handed on untouched', async () => {
  const clock = fakeClock();
  const network = memoryNetwork();
  const one = await start(network, clock, 'pi1', []);
  const dialler = network.join({ name: 'pi2', key: 'ours' });
  await dialler.dial({ node: 'pi1', host, port: 1, purpose: 'bulk' }, seconds(1));
  expect(one.bulk.map(({ peer }) => peer)).toEqual(['pi2']);
  expect(one.links.connected()).toEqual([]);
});

test('a node that piles up links keeps only the newest few', async () => {
  const clock = fakeClock();
  const network = memoryNetwork();
  const one = await start(network, clock, 'pi1', []);
  const dialler = network.join({ name: 'pi2', key: 'ours' });
  const closed: number[] = [];
  for (let number = 0; number < 5; number += 1) {
    const target = { node: 'pi1', host, port: 1, purpose: 'lease' } as const;
    const connection = await dialler.dial(target, seconds(1));
    connection.onFrame(() => undefined);
    connection.onClose(() => closed.push(number));
    await settled();
  }
  expect(closed).toEqual([0, 1]);
  expect(one.links.connected()).toEqual(['pi2']);
});
