/**
 * The dead man's kill command, run for real with this machine's own /bin/sh: it ends the whole
 * group of the server that the pid file names, and nobody else.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemProcesses } from '../../../shared/adapters/system-processes.ts';

const script = join(import.meta.dirname, '../../../systemd/baton-kill-server.sh');
const { startTicks } = systemProcesses();
let folder = '';
let server: ChildProcess;
let childPid = 0;

/** A leader with a child in its own group, as a server with its helpers. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'baton-kill-'));
  server = spawn('/bin/sh', ['-c', 'sleep 300 & echo $!; wait'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(server.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  childPid = Number(line.toString());
});
afterEach(() => {
  if (server.exitCode === null && server.signalCode === null) process.kill(-(server.pid ?? 0), 9);
  rmSync(folder, { recursive: true, force: true });
});

/** A signal is under way for a moment: the leader's end says nothing of the others of its group. */
const ended = async (pid: number): Promise<void> => {
  while (startTicks(pid) !== null) await new Promise((resolve) => setTimeout(resolve, 10));
};

const run = (content: string | null, lease = '') => {
  const [pidFile, leaseFile, bootFile] = ['server.pid', 'lease', 'boot-id'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  if (content !== null) writeFileSync(pidFile, content);
  writeFileSync(leaseFile, lease);
  writeFileSync(bootFile, 'b00\n');
  return spawnSync(script, [pidFile, leaseFile, bootFile], { encoding: 'utf8' });
};

test('the whole group is killed', async () => {
  const exited = once(server, 'exit');
  const { status, stderr } = run(`${server.pid} ${startTicks(server.pid ?? 0)}\n`);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(await exited).toEqual([null, 'SIGKILL']);
  await ended(childPid);
});

test('a server that was started under a new lease meanwhile is left alone', async () => {
  const exited = once(server, 'exit');
  const own = `${server.pid} ${startTicks(server.pid ?? 0)}\n`;
  expect(run(own, 'boot_id=b00\ndeadline_ms=999999999999\n').status).toBe(0);
  expect(startTicks(server.pid ?? 0)).not.toBeNull();
  expect(run(own, 'boot_id=b01\ndeadline_ms=999999999999\n').status).toBe(0);
  expect(await exited).toEqual([null, 'SIGKILL']);
});

test.each([
  ['another process under the same pid', () => `${server.pid} 1\n`],
  ['no pid file', () => null],
  ['an empty file', () => ''],
  ['pid 1', () => '1 1\n'],
  ['pid 0', () => '0 1\n'],
  ['words', () => 'all of them\n'],
  ['a list', () => `-1 ${server.pid}\n`],
])('%s: nobody is killed', (_, content) => {
  expect(run(content()).status).toBe(0);
  expect(startTicks(server.pid ?? 0)).not.toBeNull();
  expect(startTicks(childPid)).not.toBeNull();
});

test('a call without a file says how it is called', () => {
  const { status, stderr } = spawnSync(script, [], { encoding: 'utf8' });
  expect(status).toBe(2);
  expect(stderr).toContain('usage');
});
