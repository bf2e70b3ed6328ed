/**
 * Real agents: a master's agent that is replaced (SIGHUP) or killed, and started again within the
 * lease, goes on: same server process, same epoch, renewals that every voter takes, revisions sent.
 * The bundle is started, as on a machine: it is up in half the time of the sources.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { endBeforeListening, makeRig, patient, preload, type Rig } from './agent-rig.ts';

const project = join(import.meta.dirname, '../../..');
let folder = '';
let rig: Rig | null = null;
afterEach(async () => {
  await rig?.close();
  rig = null;
  rmSync(folder, { recursive: true, force: true });
});

function bundle(): string {
  folder = mkdtempSync(join(tmpdir(), 'baton-restart-'));
  mkdirSync(join(folder, 'dist'));
  symlinkSync(join(project, 'systemd'), join(folder, 'systemd'));
  const build = join(project, 'test/build.mjs');
  execFileSync(process.execPath, [build, '--out', join(folder, 'dist'), 'baton-agent']);
  return join(folder, 'dist/baton-agent.mjs');
}

test('a restart of the master’s agent costs neither role nor server nor stream', async () => {
  const daemons = { 'agent/main.ts': bundle() };
  const one = makeRig({ names: ['a', 'b'], lease: patient, daemons });
  rig = one;
  for (const { name } of one.nodes) one.start(name);
  const { node, epoch } = await one.serving(90_000);
  const other = node === 'a' ? 'b' : 'a';
  const server = one.serverPid(node);
  await streams(one, node, other, null);
  for (const signal of ['SIGHUP', 'SIGKILL'] as const) {
    const before = await one.report(node);
    const agent = one.agent(node);
    const ended = agent === undefined ? null : once(agent, 'exit');
    agent?.kill(signal);
    await ended;
    one.start(node);
    await streams(one, node, other, before?.started_ms ?? null);
    // The receiver has acknowledged: from here on the renewals speak of it.
    const found = deadline(one, node);
    await one.until('two more renewals are granted', 60_000, async () =>
      deadline(one, node) > found + 2 * patient.renew_interval_ms ? true : null,
    );
    const after = await one.report(node);
    expect([signal, after?.phase, after?.epoch]).toEqual([signal, 'serving', epoch]);
    expect(one.serverPid(node)).toBe(server);
    expect((await one.report(other))?.findings).toEqual([]);
  }
}, 600_000);

/** No record reaches /run as long as this file is there. */
const roomless = 'no-room';
const noRoom = (directory: string): string[] =>
  preload(`import fs, { existsSync } from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const real = fs.renameSync;
    fs.renameSync = (from, to) => {
      if (String(to).endsWith('/run/lease.json') && existsSync('${directory}/${roomless}')) {
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      }
      return real(from, to);
    };
    syncBuiltinESMExports();`);

test.each([
  ['goes on sending', false],
  ['starts the server again that ended meanwhile (46)', true],
])(
  'an agent that finds no room for its record at its start %s',
  async (_what, ends) => {
    const daemons = { 'agent/main.ts': bundle() };
    const within = (_name: string, directory: string): string[] => noRoom(directory);
    const one = makeRig({ names: ['a', 'b'], lease: patient, daemons, within });
    rig = one;
    for (const { name } of one.nodes) one.start(name);
    const { node, epoch, started_ms: before } = await one.serving(90_000);
    const other = node === 'a' ? 'b' : 'a';
    const { directory, log } = one.node(node);
    await streams(one, node, other, null);
    const agent = one.agent(node);
    const ended = agent === undefined ? null : once(agent, 'exit');
    agent?.kill('SIGKILL');
    await ended;
    writeFileSync(join(directory, roomless), '');
    one.start(node);
    await one.until('it says that it can’t start', 60_000, async () =>
      readFileSync(log, 'utf8').includes('could not write its run record') ? true : null,
    );
    const server = one.serverPid(node) ?? 0;
    if (ends) process.kill(-server, 'SIGKILL');
    await one.until('it has seen that', 60_000, async () =>
      !ends || readFileSync(log, 'utf8').includes(`${server} is gone`) ? true : null,
    );
    rmSync(join(directory, roomless));
    await streams(one, node, other, before);
    expect((await one.report(node))?.epoch).toBe(epoch);
    expect(one.serverPid(node) === server).toBe(!ends);
  },
  600_000,
);

test('a SIGTERM in the midst of the start is an orderly end (BUGS 89)', async () => {
  const one = makeRig({ names: ['a', 'b'], within: () => preload(endBeforeListening) });
  rig = one;
  const agent = one.start('a');
  expect(await once(agent, 'exit')).toEqual([0, null]);
  expect(readFileSync(one.node('a').log, 'utf8')).toContain('received SIGTERM');
});

const deadline = (one: Rig, node: string): number =>
  Number(
    /deadline_ms=(\d+)/.exec(readFileSync(`${one.node(node).directory}/run/lease`, 'utf8'))?.[1],
  );

/** Resolves once a life of the agent after `before` serves and has heard from the receiver. */
const streams = (one: Rig, node: string, other: string, before: number | null): Promise<true> =>
  one.until(`${node} serves and sends to ${other}`, 60_000, async () => {
    const report = await one.report(node);
    const row = report?.receivers.find((receiver) => receiver.node === other);
    if (report?.phase !== 'serving' || report.started_ms === before) return null;
    return row !== undefined && row.revision > 0 && row.revision === report.revision ? true : null;
  });
