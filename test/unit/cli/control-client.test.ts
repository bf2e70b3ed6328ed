/** The control socket's client against real unix sockets that behave well, and badly. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askAgent } from '../../../agent/cli/adapters/control-client.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { seconds } from '../../../shared/time/duration.ts';

let folder = '';
let server: Server | null = null;
const open = new Set<Socket>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-cli-'));
});
afterEach(() => {
  for (const socket of open) socket.destroy();
  open.clear();
  server?.close();
  server = null;
  rmSync(folder, { recursive: true });
});

/** An agent whose connections `behave` handles; its socket's path. */
async function agent(behave: (socket: Socket) => void): Promise<string> {
  const path = join(folder, 'control.sock');
  const listening = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    behave(socket);
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(path, resolve));
  return path;
}

const status = { verb: 'status' } as const;

test('sends one line and gives the first line back, however it is cut', async () => {
  const heard: string[] = [];
  const path = await agent((socket) =>
    socket.on('data', (data) => {
      heard.push(String(data));
      const bytes = Buffer.from('{"ä":1}\nnot this');
      socket.write(bytes.subarray(0, 3));
      setImmediate(() => socket.write(bytes.subarray(3)));
    }),
  );
  expect(await askAgent(fakeClock(), path, status)).toEqual({ ok: true, line: '{"ä":1}' });
  expect(heard).toEqual(['{"verb":"status"}\n']);
});

test('nobody there: what it means and what to do', async () => {
  const path = join(folder, 'nobody.sock');
  const outcome = await askAgent(fakeClock(), path, status);
  expect(outcome).toEqual({
    ok: false,
    message:
      `the agent of this node is not running (nobody listens on ${path})\n` +
      'start it with: systemctl start baton-agent',
  });
});

test('a file that is no socket is refused in words', async () => {
  const path = join(folder, 'file');
  writeFileSync(path, '');
  const outcome = await askAgent(fakeClock(), path, status);
  expect(outcome.ok).toBe(false);
  expect(outcome.ok ? '' : outcome.message).toContain(path);
});

test('an agent that closes without an answer', async () => {
  const path = await agent((socket) => socket.end());
  const outcome = await askAgent(fakeClock(), path, status);
  expect(outcome).toEqual({
    ok: false,
    message: 'the agent closed the connection without an answer',
  });
});

test('a frozen agent is given up after five seconds', async () => {
  const clock = fakeClock();
  let connected = (): void => undefined;
  const waiting = new Promise<void>((resolve) => {
    connected = resolve;
  });
  const path = await agent(() => connected());
  const asked = askAgent(clock, path, status);
  await waiting;
  clock.advance(seconds(5));
  const outcome = await asked;
  expect(outcome.ok ? '' : outcome.message).toContain('did not answer within 5 s');
});

test('an endless answer is cut off', async () => {
  const flood = Buffer.alloc(1024 * 1024, 'x');
  const path = await agent((socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(flood));
    };
    socket.on('drain', more);
    more();
  });
  const outcome = await askAgent(fakeClock(), path, status);
  expect(outcome).toEqual({ ok: false, message: 'the answer of the agent is too long' });
});
