/**
 * A node dies as a whole, and only that node: every process that carries its tag, detached ones and
 * their children included.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { isAlive, killTagged, TAG, taggedProcesses, useOf } from '../../lab/tagged-processes.ts';
import { waitFor } from '../../lab/wait-for.ts';

const run = `test-${process.pid}`;
const children: ChildProcess[] = [];

afterEach(async () => {
  await killTagged(`${run}/`);
  children.length = 0;
});

/** A shell that starts a detached sleeper of its own and goes on sleeping. */
const start = async (node: string): Promise<number> => {
  const child = spawn('/bin/sh', ['-c', 'setsid sleep 300 & echo up; sleep 300'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: process.env.PATH, [TAG]: `${run}/${node}` },
  });
  children.push(child);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  const wanted = () => taggedProcesses(`${run}/${node}`).length === 3;
  await waitFor('three processes', 60_000, wanted);
  return child.pid as number;
};

test('one node is killed with all it started, the other lives', async () => {
  const [first, other] = [await start('node1'), await start('node10')];
  const { survivors } = await killTagged(`${run}/node1`);
  expect(survivors).toEqual([]);
  expect(taggedProcesses(`${run}/node1`)).toEqual([]);
  expect(isAlive(first)).toBe(false);
  expect(isAlive(other)).toBe(true);
  expect(taggedProcesses(`${run}/`).map(({ tag }) => tag)).toEqual(
    Array.from({ length: 3 }, () => `${run}/node10`),
  );
});

test('a frozen process is killed too', async () => {
  const pid = await start('node1');
  process.kill(pid, 'SIGSTOP');
  await killTagged(`${run}/`);
  expect(isAlive(pid)).toBe(false);
});

test('memory and processor time of a process are read, of a dead one nothing', async () => {
  const use = useOf(process.pid);
  expect(use?.rssMb).toBeGreaterThan(use?.anonMb ?? Number.NaN);
  expect(use?.cpuMs).toBeGreaterThan(0);
  const pid = await start('node1');
  await killTagged(`${run}/`);
  await waitFor('the end', 60_000, () => !isAlive(pid));
  expect(useOf(pid)).toBeNull();
});

test('the reaper ends a run whose driver is gone, and removes its folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-reaper-'));
  const pid = await start('node1');
  const script = join(import.meta.dirname, '../../lab/reaper.sh');
  const reaper = spawn('/bin/sh', [script, run, folder, '0'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  expect(isAlive(pid)).toBe(true);
  reaper.stdin.end();
  await once(reaper, 'exit');
  expect(isAlive(pid)).toBe(false);
  expect(taggedProcesses(`${run}/`)).toEqual([]);
  expect(() => rmSync(folder, { recursive: true })).toThrow('ENOENT');
});
