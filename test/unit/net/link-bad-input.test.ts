/**
 * What strangers, broken peers and peers of another make can send to a link port: it is counted,
 * told once, and costs nobody else their link.
 */
import { randomBytes } from 'node:crypto';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFrame } from '../../../shared/net/frame-codec.ts';
import { encodeHello } from '../../../shared/net/frame-hello.ts';
import { milliseconds, seconds } from '../../../shared/time/duration.ts';
import {
  afterwards,
  dial,
  type End,
  end,
  failureOf,
  frameOf,
  host,
  hungUp,
  rawLink,
  until,
} from './link-rig.ts';

const tcp = (to: End): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = connectTcp(to.port, host, () => resolve(socket));
    socket.on('error', () => undefined);
    afterwards(() => void socket.destroy());
  });

const greeting = encodeHello({ to: 'pi1', purpose: 'lease', life: '0123456789abcdef' });

/**
 * Where the time for a handshake is short, a machine that is busy for so long loses one now and
 * then: it dials again, as agents do.
 */
const letIn = async <Link>(attempt: () => Promise<Link>): Promise<Link> => {
  for (;;) {
    const link = await attempt().catch(() => null);
    if (link !== null) return link;
  }
};

/** A listener with one good link, and the check that this link still works. */
const busyListener = async (
  handshake?: number,
): Promise<{ readonly listener: End; readonly stillWorks: () => Promise<void> }> => {
  const listener = end(
    'pi1',
    handshake === undefined ? {} : { handshake: milliseconds(handshake) },
  );
  await listener.listen();
  const shelf = end('shelf');
  const good = await letIn(() => dial(shelf, listener, 'pi1'));
  const echoes: string[] = [];
  good.onFrame(({ type }) => echoes.push(type));
  await until(() => listener.taken.length === 1);
  const far = listener.taken[0];
  far?.onFrame((frame) => far.send(frame));
  const stillWorks = async (): Promise<void> => {
    const before = echoes.length;
    expect(good.send(frameOf('lease', 'hello?'))).toBe(true);
    await until(() => echoes.length > before);
  };
  return { listener, stillWorks };
};

test('random bytes instead of TLS are counted, told once and hung up on', async () => {
  const { listener, stillWorks } = await busyListener();
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const socket = await tcp(listener);
    socket.write(randomBytes(1 + attempt * 50));
    // What looks like the beginning of a record waits for its rest: that one we hang up.
    socket.end();
    await hungUp(socket);
  }
  await until(() => listener.links.problems()['frame-broken'] > 0);
  expect(listener.told.filter(({ code }) => code === 'frame-broken')).toHaveLength(1);
  await stillWorks();
});

test('a web browser is told apart from a node', async () => {
  const { listener, stillWorks } = await busyListener();
  const socket = await tcp(listener);
  socket.write('GET / HTTP/1.1\r\nHost: pi1\r\n\r\n');
  await hungUp(socket);
  await until(() => listener.told.length === 1);
  expect(listener.told[0]?.text).toContain('something else than a link of baton');
  await stillWorks();
});

test('whoever says nothing is hung up on', async () => {
  const { listener, stillWorks } = await busyListener(100);
  const refused = () => listener.links.problems()['link-refused'];
  const before = refused();
  await hungUp(await tcp(listener));
  expect(refused()).toBe(before + 1);
  await hungUp(await letIn(() => rawLink(listener, 'pi2')));
  await stillWorks();
});

test('random bytes instead of a greeting close the connection, counted and told once', async () => {
  const { listener, stillWorks } = await busyListener();
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const socket = await rawLink(listener, 'pi2');
    socket.write(randomBytes(2000).fill(0xff, 0, 1));
    await hungUp(socket);
  }
  expect(listener.links.problems()['frame-broken']).toBe(8);
  expect(listener.told.map(({ code, node }) => [code, node])).toEqual([['frame-broken', 'pi2']]);
  await stillWorks();
});

test('a proper frame that is no greeting closes the connection', async () => {
  const { listener, stillWorks } = await busyListener();
  const frames = [
    encodeFrame(frameOf('lease', 'straight to the point'), 1024),
    encodeFrame({ type: 'link-hello', header: { version: 9 }, body: Buffer.alloc(0) }, 1024),
  ];
  for (const bytes of frames) {
    const socket = await rawLink(listener, 'pi2');
    socket.write(bytes);
    await hungUp(socket);
  }
  expect(listener.links.problems()['frame-broken']).toBe(2);
  expect(listener.taken).toHaveLength(1);
  await stillWorks();
});

test('a frame of 20 MiB closes the connection before it is read', async () => {
  const { listener, stillWorks } = await busyListener();
  for (const before of [Buffer.alloc(0), greeting]) {
    const socket = await rawLink(listener, 'pi2');
    socket.on('error', () => undefined);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(20 * 1024 * 1024);
    socket.write(Buffer.concat([before, length]));
    socket.write(Buffer.alloc(20 * 1024 * 1024));
    await hungUp(socket);
    expect(listener.told.at(-1)?.text).toContain('a frame of 20971520 bytes, above the');
  }
  expect(listener.links.problems()['frame-broken']).toBe(2);
  await stillWorks();
});

test('a broken frame on a good link closes it with the reason', async () => {
  const { listener, stillWorks } = await busyListener();
  const socket = await rawLink(listener, 'pi2');
  socket.write(greeting);
  await until(() => listener.taken.length === 2);
  const reason = new Promise<string>((resolve) => listener.taken[1]?.onClose(resolve));
  socket.write(Buffer.from([0, 0, 0, 4, 0, 2, 0x5b, 0x5d]));
  expect(await reason).toMatch(/^frame-broken: a header/);
  await hungUp(socket);
  expect(listener.told.map(({ code, node }) => [code, node])).toEqual([['frame-broken', 'pi2']]);
  await stillWorks();
});

test('random JSON in frames of the link itself is taken calmly', async () => {
  const { listener, stillWorks } = await busyListener();
  const header = fc.dictionary(fc.constantFrom('reason', 'version', 'x'), fc.jsonValue());
  const type = fc.constantFrom('link-ping', 'link-answer', 'link-question', 'link-hello', 'link-x');
  const frames = fc.sample(fc.record({ type, header, body: fc.uint8Array() }), 300);
  const socket = await rawLink(listener, 'pi2');
  socket.resume();
  socket.write(greeting);
  await until(() => listener.taken.length === 2);
  const seen: string[] = [];
  listener.taken[1]?.onFrame((frame) => seen.push(frame.type));
  for (const frame of frames) socket.write(encodeFrame(frame, 60_000));
  socket.write(encodeFrame(frameOf('lease'), 1024));
  await until(() => seen.length > 0);
  expect(seen).toEqual(['lease']);
  const reason = new Promise<string>((resolve) => listener.taken[1]?.onClose(resolve));
  socket.write(
    encodeFrame({ type: 'link-bye', header: { reason: '\u001b[2J' }, body: new Uint8Array() }, 99),
  );
  expect(await reason).toBe('the peer closed: ?[2J');
  await stillWorks();
});

test('the other end of a dial may be anything at all', async () => {
  const answers: readonly ((socket: Socket) => void)[] = [
    (socket) => void socket.end(),
    (socket) => void socket.destroy(),
    (socket) => void socket.end('220 mail.example ESMTP\r\n'),
    (socket) => void socket.end(randomBytes(500)),
  ];
  for (const answer of answers) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      answer(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    afterwards(() => void server.close());
    const { port } = server.address() as { port: number };
    const target = { node: 'pi1', host, port, purpose: 'lease' } as const;
    const failure = await failureOf(end('pi2').links.dial(target, seconds(60)));
    expect(failure.code).toBe('link-refused');
  }
});

test('more strangers than anybody needs do not keep a node out for good', async () => {
  const { listener, stillWorks } = await busyListener(200);
  const strangers = await Promise.all(Array.from({ length: 140 }, () => tcp(listener)));
  await stillWorks();
  await Promise.all(strangers.map(hungUp));
  const pi2 = end('pi2');
  const late = await letIn(() => dial(pi2, listener, 'pi1'));
  expect(late.send(frameOf('lease'))).toBe(true);
});
