/** The control socket on real unix sockets: bounds, leftovers, and a second agent. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  CONNECTION_LIMIT,
  CONTROL_LINE_LIMIT,
  type ControlSocket,
  type ControlTimes,
  listenControl,
} from '../../../agent/adapters/control-socket.ts';
import { BatonError } from '../../../shared/errors/baton-error.ts';

let folder = '';
let open: ControlSocket[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-control-'));
  open = [];
});
afterEach(async () => {
  for (const socket of open) await socket.close();
  rmSync(folder, { recursive: true, force: true });
});

const listen = async (
  handler = async (line: string): Promise<unknown> => ({ line }),
  times?: ControlTimes,
) => {
  const path = join(folder, 'control.sock');
  const socket = await listenControl(path, handler, times);
  open.push(socket);
  return path;
};

/** However it ends; an error of the connection is an end as well. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });

const ask = async (path: string, text: string): Promise<string> => {
  const socket = connect(path);
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('utf8');
  });
  socket.write(text);
  await closed(socket);
  return answer;
};

test('one line in, one line out, for the group only', async () => {
  const path = await listen();
  expect(await ask(path, '{"verb":"status"}\nmore')).toBe('{"line":"{\\"verb\\":\\"status\\"}"}\n');
  expect(statSync(path).mode & 0o777).toBe(0o660);
});

test('a line that never ends is answered at the bound', async () => {
  const path = await listen();
  const answer = JSON.parse(await ask(path, 'x'.repeat(CONTROL_LINE_LIMIT + 1)));
  expect(answer).toMatchObject({ ok: false });
});

test('a handler that the world fails is an answer, not an end', async () => {
  const path = await listen(async () => {
    throw new BatonError('disk-full', 'operational', 'the disk is full');
  });
  expect(await ask(path, 'x\n')).toContain('the disk is full');
});

test('a bug of ours is no answer: it reaches the process, which ends', async () => {
  const before = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  try {
    const unhandled = new Promise((resolve) => process.once('unhandledRejection', resolve));
    const path = await listen(async () => {
      throw new BatonError('invariant-broken', 'invariant', 'odd');
    });
    expect(await ask(path, 'x\n')).toBe('');
    expect(await unhandled).toMatchObject({ kind: 'invariant' });
  } finally {
    process.removeAllListeners('unhandledRejection');
    for (const listener of before) process.on('unhandledRejection', listener);
  }
});

test('a socket file that nobody answers on is replaced; one that is answered is not', async () => {
  writeFileSync(join(folder, 'control.sock'), '');
  const path = await listen();
  await expect(listenControl(path, async () => null)).rejects.toMatchObject({
    code: 'port-in-use',
    kind: 'operational',
  });
  expect(existsSync(path)).toBe(true);
  expect(await ask(path, 'still\n')).toContain('still');
});

/** A client that goes on writing a byte now and then. */
const trickling = (socket: Socket): Socket => {
  const each = setInterval(() => socket.write('x'), 5);
  socket.on('close', () => clearInterval(each));
  return socket;
};

const HOUR = 3_600_000;
const patient: ControlTimes = { askMs: HOUR, answerMs: HOUR, readMs: HOUR };

test('a client that says nothing is sent away, and one that never ends, too', async () => {
  const path = await listen(undefined, { ...patient, askMs: 20 });
  expect(await ask(path, '')).toBe('');
  await closed(trickling(connect(path)));
});

test('a command may take longer than a client may be silent', async () => {
  let reply: (answer: string) => void = () => undefined;
  const answered = new Promise<unknown>((resolve) => {
    reply = resolve;
  });
  let taken: () => void = () => undefined;
  const reached = new Promise<'reached'>((resolve) => {
    taken = () => resolve('reached');
  });
  const handler = (): Promise<unknown> => {
    taken();
    return answered;
  };
  const path = await listen(handler, { ...patient, askMs: 20 });
  let asked = ask(path, 'move\n');
  // One whose line did not come in time, for the machine was busy, is sent away as well.
  while ((await Promise.race([reached, asked])) !== 'reached') asked = ask(path, 'move\n');
  // The silent one is gone: the time for asking has passed.
  expect(await ask(path, '')).toBe('');
  reply('moved');
  expect(await asked).toBe('"moved"\n');
});

test('nobody waits for an answer for ever', async () => {
  const never = new Promise<unknown>(() => undefined);
  const mute = await listen(() => never, { ...patient, answerMs: 20 });
  expect(await ask(mute, 'x\n')).toBe('');
});

test('nor for one that does not read it', async () => {
  const long = async () => 'y'.repeat(8_000_000);
  const path = await listen(long, { ...patient, readMs: 20 });
  const deaf = connect({ path, allowHalfOpen: true });
  deaf.pause();
  deaf.write('x\n');
  // What it goes on writing tells it that the other end is closed.
  await closed(trickling(deaf));
});

test('the places for clients are bounded, and a free one is taken again', async () => {
  const path = await listen(undefined, patient);
  const silent = Array.from({ length: CONNECTION_LIMIT }, () => connect(path));
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  expect(await ask(path, 'one more\n'), 'no place').toBe('');
  for (const socket of silent) socket.destroy();
  let answer = '';
  while (answer === '') answer = await ask(path, 'one more\n');
  expect(answer).toContain('one more');
});
