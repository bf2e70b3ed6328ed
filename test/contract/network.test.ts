/** One suite for the port of links: against the fake and against real sockets. */
import { describe, expect, test } from 'vitest';
import { generateClusterKey } from '../../shared/crypto/key-file.ts';
import { clusterKeyring } from '../../shared/crypto/keyring.ts';
import { connectionBounds } from '../../shared/net/frame-connection.ts';
import { pskLinks } from '../../shared/net/psk-links.ts';
import { memoryNetwork } from '../../shared/ports/fakes/memory-network.ts';
import type {
  Frame,
  FrameConnection,
  LinkNetwork,
  LinkPurpose,
} from '../../shared/ports/network.ts';
import { LEASE_FRAME_LIMIT } from '../../shared/protocol/frames.ts';
import { seconds } from '../../shared/time/duration.ts';
import { afterwards, failureOf, host, until } from '../unit/net/link-rig.ts';

/** One process on node `name`, of the cluster with that key. */
type Join = (name: string, cluster?: 'ours' | 'theirs') => LinkNetwork;

const nodes = [
  { name: 'pi1', eligible: true },
  { name: 'pi2', eligible: true },
];
const everybody = [...nodes, { name: 'stranger', eligible: true }];
const bounds = {
  lease: connectionBounds.lease,
  // Small, so that a test fills it soon; sockets hold some more by themselves.
  bulk: { ...connectionBounds.bulk, queue: 64 * 1024 },
};
let lives = 0;

const implementations: readonly [string, () => Join][] = [
  [
    'TLS-PSK on loopback',
    () => (name, cluster) => {
      lives += 1;
      const key = generateClusterKey(new Uint8Array(32).fill(cluster === 'theirs' ? 2 : 1));
      return pskLinks({
        keyring: clusterKeyring(key, name, name === 'stranger' ? everybody : nodes),
        life: lives.toString(16).padStart(16, '0'),
        onProblem: () => undefined,
        bounds,
      });
    },
  ],
  [
    'memory network',
    () => {
      const network = memoryNetwork(bounds);
      const knows = nodes.map(({ name }) => name);
      return (name, cluster = 'ours') => network.join({ name, key: cluster, knows });
    },
  ],
];

interface Listener {
  readonly port: number;
  readonly taken: FrameConnection[];
  close(): Promise<void>;
}

const listen = async (
  network: LinkNetwork,
  taking: (connection: FrameConnection) => void = () => undefined,
): Promise<Listener> => {
  const taken: FrameConnection[] = [];
  const listening = await network.listen({ host, port: 0 }, (connection) => {
    taken.push(connection);
    taking(connection);
  });
  afterwards(() => listening.close());
  return { ...listening, taken };
};

const dial = async (
  network: LinkNetwork,
  port: number,
  purpose: LinkPurpose = 'lease',
  node = 'pi1',
): Promise<FrameConnection> => {
  const connection = await network.dial({ node, host, port, purpose }, seconds(60));
  afterwards(() => connection.close('the test is over'));
  return connection;
};

/** The two ends of one link. */
const linked = async (
  join: Join,
  purpose: LinkPurpose = 'lease',
): Promise<{ readonly near: FrameConnection; readonly far: FrameConnection }> => {
  const listener = await listen(join('pi1'));
  const near = await dial(join('pi2'), listener.port, purpose);
  await until(() => listener.taken.length === 1);
  return { near, far: listener.taken[0] as FrameConnection };
};

const collect = (connection: FrameConnection): Frame[] => {
  const frames: Frame[] = [];
  connection.onFrame((frame) => frames.push(frame));
  return frames;
};
const closing = (connection: FrameConnection): string[] => {
  const reasons: string[] = [];
  connection.onClose((reason) => reasons.push(reason));
  return reasons;
};
const numbered = (number: number): Frame => ({
  type: 'batch',
  header: { number, text: 'grüß' },
  body: Buffer.alloc(number % 100, number),
});

describe.each(implementations)('%s', (_name, make) => {
  test('each end knows the other by name, and the purpose', async () => {
    const { near, far } = await linked(make(), 'bulk');
    expect([near.peer, near.purpose]).toEqual(['pi1', 'bulk']);
    expect([far.peer, far.purpose]).toEqual(['pi2', 'bulk']);
  });

  test('frames arrive whole and in order, both ways at once', async () => {
    const { near, far } = await linked(make());
    const [atNear, atFar] = [collect(near), collect(far)];
    for (let number = 0; number < 200; number += 1) {
      expect(near.send(numbered(number))).toBe(true);
      expect(far.send(numbered(number))).toBe(true);
    }
    await until(() => atNear.length === 200 && atFar.length === 200);
    for (const frames of [atNear, atFar]) {
      expect(frames.map(({ header }) => header)).toEqual(
        Array.from({ length: 200 }, (_, number) => ({ number, text: 'grüß' })),
      );
      expect(frames.every(({ type }) => type === 'batch')).toBe(true);
      expect(Buffer.from(frames[77]?.body ?? [])).toEqual(Buffer.alloc(77, 77));
    }
  });

  test('what was sent before anybody listened is kept, not lost', async () => {
    const { near, far } = await linked(make());
    for (let number = 0; number < 3; number += 1) near.send(numbered(number));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const frames = collect(far);
    await until(() => frames.length === 3);
    expect(frames.map(({ header }) => header)).toEqual(
      [0, 1, 2].map((number) => ({ number, text: 'grüß' })),
    );
  });

  test('the largest frame passes; one above its bound is our own bug', async () => {
    const { near, far } = await linked(make());
    const frames = collect(far);
    const spare = 2 + Buffer.byteLength('{"type":"lease"}');
    const body = Buffer.alloc(LEASE_FRAME_LIMIT - spare, 7);
    expect(near.send({ type: 'lease', header: null, body })).toBe(true);
    await until(() => frames.length === 1);
    expect(frames[0]?.body.length).toBe(body.length);
    const above = Buffer.alloc(body.length + 1);
    expect(() => near.send({ type: 'lease', header: null, body: above })).toThrow(/too large/);
  });

  test('a frame that no peer would take is our own bug', async () => {
    const { near } = await linked(make());
    for (const type of ['', 'UPPER', 'link-ping']) {
      expect(() => near.send({ type, header: null, body: Buffer.alloc(0) })).toThrow();
    }
    const header = { type: 'two types' };
    expect(() => near.send({ type: 'lease', header, body: Buffer.alloc(0) })).toThrow(/header/);
  });

  test('a close reaches both ends once, behind what was sent before', async () => {
    const { near, far } = await linked(make());
    const seen: string[] = [];
    far.onFrame(({ type }) => seen.push(type));
    far.onClose((reason) => seen.push(reason));
    const own = closing(near);
    near.onFrame(() => undefined);
    near.send(numbered(1));
    near.close('enough');
    near.close('more than enough');
    expect(own).toEqual([]);
    await until(() => own.length > 0 && seen.length === 2);
    expect(own).toEqual(['enough']);
    expect(seen).toEqual(['batch', 'the peer closed: enough']);
    expect(near.send(numbered(2))).toBe(false);
    expect(far.send(numbered(2))).toBe(false);
    await near.drained();
    await far.drained();
    expect(seen).toHaveLength(2);
  });

  test('whoever asks after the end still learns the reason', async () => {
    const { near } = await linked(make());
    near.close('enough');
    await new Promise((resolve) => setTimeout(resolve, 20));
    const reasons = closing(near);
    await until(() => reasons.length === 1);
    expect(reasons).toEqual(['enough']);
  });

  test('a receiver that takes nothing fills the queue; taking empties it', async () => {
    const { near, far } = await linked(make(), 'bulk');
    const body = Buffer.alloc(256 * 1024);
    let sent = 0;
    while (near.send({ type: 'batch', header: null, body })) {
      sent += 1;
      // Lets sockets take what they take by themselves.
      await new Promise((resolve) => setImmediate(resolve));
      expect(sent).toBeLessThan(200);
    }
    let drained = false;
    const waiting = near.drained().then(() => {
      drained = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(drained).toBe(false);
    const frames = collect(far);
    await waiting;
    expect(near.send({ type: 'batch', header: null, body })).toBe(true);
    await until(() => frames.length === sent + 1);
  });

  test('a close wakes whoever waits for the queue', async () => {
    const { near } = await linked(make(), 'bulk');
    const body = Buffer.alloc(256 * 1024);
    while (near.send({ type: 'batch', header: null, body })) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const waiting = near.drained();
    near.close('enough');
    await waiting;
    expect(near.send({ type: 'batch', header: null, body })).toBe(false);
  });

  test('wrong key, unknown name, wrong address and empty port are told apart', async () => {
    const join = make();
    const { port, taken } = await listen(join('pi1'));
    const failure = async (network: LinkNetwork, at: number, node: string) =>
      (await failureOf(dial(network, at, 'lease', node))).code;
    expect(await failure(join('pi2', 'theirs'), port, 'pi1')).toBe('link-key-refused');
    expect(await failure(join('stranger'), port, 'pi1')).toBe('link-refused');
    expect(await failure(join('pi2'), port, 'pi3')).toBe('link-refused');
    expect(await failure(join('pi2'), 1, 'pi1')).toBe('link-refused');
    expect(taken).toEqual([]);
  });

  test('a second machine of one name is refused while the first lives', async () => {
    const join = make();
    const { port, taken } = await listen(join('pi1'));
    const first = await dial(join('pi2'), port);
    first.onFrame(() => undefined);
    await until(() => taken.length === 1);
    taken[0]?.onFrame(() => undefined);
    expect(await failureOf(dial(join('pi2'), port))).toMatchObject({ code: 'duplicate-node' });
    expect(first.send(numbered(1))).toBe(true);
    // The same process may come by several links.
    first.close('enough');
    await until(() => taken[0]?.send(numbered(1)) === false);
    await dial(join('pi2'), port);
  });

  test('a process that was started again may come back', async () => {
    const join = make();
    const { port, taken } = await listen(join('pi1'), (connection) =>
      connection.onFrame(() => undefined),
    );
    // It never listens, as one whose machine is off.
    await dial(join('pi2'), port);
    await until(() => taken.length === 1);
    const reasons = closing(taken[0] as FrameConnection);
    await dial(join('pi2'), port);
    await until(() => taken.length === 2 && reasons.length === 1);
    expect(reasons).toEqual(['its process was started again']);
  });

  test('one process may have several links to another', async () => {
    const join = make();
    const { port, taken } = await listen(join('pi1'), (connection) =>
      connection.onFrame(() => undefined),
    );
    const dialler = join('pi2');
    await dial(dialler, port);
    await dial(dialler, port, 'bulk');
    await dial(dialler, port);
    await until(() => taken.length === 3);
    expect(taken.map(({ purpose }) => purpose)).toEqual(['lease', 'bulk', 'lease']);
  });

  test('a taken port is refused, and free again after a close', async () => {
    const join = make();
    const network = join('pi1');
    const first = await listen(network);
    const again = () => network.listen({ host, port: first.port }, () => undefined);
    expect(await failureOf(again())).toMatchObject({ code: 'port-in-use' });
    const near = await dial(join('pi2'), first.port);
    near.onFrame(() => undefined);
    const reasons = closing(near);
    await first.close();
    await until(() => reasons.length === 1);
    expect(reasons).toEqual(['the peer closed: the peer stopped listening']);
    expect((await failureOf(dial(join('pi2'), first.port))).code).toBe('link-refused');
    const second = await again();
    expect(second.port).toBe(first.port);
    await second.close();
  });
});
