/**
 * Real agents that cannot start: a port that is taken, a second agent on one machine, settings with
 * several mistakes. Each says why, with its code, and ends with the status that main.ts promises.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { makeRig, patient, type Rig } from './agent-rig.ts';

let rig: Rig | null = null;
afterEach(async () => {
  await rig?.close();
  rig = null;
});

const statusOf = async (child: ChildProcess): Promise<number | null> => {
  if (child.exitCode !== null) return child.exitCode;
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
};
const logOf = (one: Rig, name: string): string => readFileSync(one.node(name).log, 'utf8');

test('a link port that is taken ends the start with its code', async () => {
  const one = makeRig({ names: ['a'] });
  rig = one;
  const { address } = one.node('a');
  const taken = createServer().listen(7947, address);
  await once(taken, 'listening');
  try {
    expect(await statusOf(one.start('a'))).toBe(1);
    expect(logOf(one, 'a')).toMatch(/"level":60.*"code":"port-in-use".*7947/);
    expect(one.serverPid('a')).toBeNull();
  } finally {
    taken.close();
  }
}, 600_000);

test('a second agent beside a running one ends, and the first goes on', async () => {
  const one = makeRig({ names: ['a'], lease: patient });
  rig = one;
  one.start('a');
  const before = await one.serving(60_000);
  const server = one.serverPid('a');
  expect(await statusOf(one.start('a'))).toBe(1);
  expect(logOf(one, 'a')).toContain('port-in-use');
  expect((await one.serving(60_000)).boot_id).toBe(before.boot_id);
  expect(one.serverPid('a')).toBe(server);
}, 600_000);

test('every mistake in the settings is listed at once, and nothing is started', async () => {
  const one = makeRig({ names: ['a'] });
  rig = one;
  const { settings } = one.node('a');
  const text = readFileSync(settings, 'utf8');
  const worse = text.replace('renew_interval_ms: 400', 'renew_interval_ms: often');
  writeFileSync(settings, `${worse}colour: red\n`);
  expect(await statusOf(one.start('a'))).toBe(2);
  for (const key of ['renew_interval_ms', 'colour']) expect(logOf(one, 'a')).toContain(key);
  expect(one.serverPid('a')).toBeNull();
}, 600_000);

test.each([
  ['missing', null, /cluster\.key.*baton keygen/s],
  ['damaged', 'baton-key-1 nonsense\n', /cluster\.key/],
])(
  'a key file that is %s ends the start at once, and is told once',
  async (_what, text, told) => {
    const one = makeRig({ names: ['a'], coordinators: ['a'] });
    rig = one;
    const path = `${one.node('a').directory}/etc/cluster.key`;
    if (text === null) rmSync(path);
    else writeFileSync(path, text);
    // 2: systemd does not try again (RestartPreventExitStatus), so there is no loop of lines.
    expect(await statusOf(one.start('a'))).toBe(2);
    expect(await statusOf(one.startCoordinator('a'))).toBe(2);
    const coordinator = readFileSync(`${one.node('a').directory}/coordinator.log`, 'utf8');
    for (const log of [logOf(one, 'a'), coordinator]) {
      expect(log).toMatch(told);
      expect(log.match(/cluster\.key/g)?.length).toBeLessThanOrEqual(2);
    }
    expect(one.serverPid('a')).toBeNull();
  },
  600_000,
);

test('an API port that is taken gives the lease back; another node takes over', async () => {
  const one = makeRig({ names: ['a', 'b', 'c'] });
  rig = one;
  const taken = createServer((socket) => socket.destroy()).listen(6443, one.node('a').address);
  await once(taken, 'listening');
  try {
    for (const { name } of one.nodes) one.start(name);
    const master = await one.serving(60_000);
    expect(['b', 'c']).toContain(master.node);
    await one.until('a tries and gives it back', 60_000, async () => {
      if (/gives the role back: .*(server|6443)/.test(logOf(one, 'a'))) return true;
      const { node } = await one.serving(60_000, 'a');
      await one.command(node, { name: 'move', to: 'a' });
      return null;
    });
    expect(['b', 'c']).toContain((await one.serving(60_000, 'a')).node);
  } finally {
    taken.close();
  }
}, 600_000);
