/** The control socket on real unix sockets: bounds, leftovers, and a second agent. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  CONTROL_LINE_LIMIT,
  type ControlSocket,
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

const listen = async (handler = async (line: string): Promise<unknown> => ({ line })) => {
  const path = join(folder, 'control.sock');
  const socket = await listenControl(path, handler);
  open.push(socket);
  return path;
};

const ask = async (path: string, text: string): Promise<string> => {
  const socket = connect(path);
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('utf8');
  });
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
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
