/**
 * The dead man's kill command of a real node, run for real: control groups are folders of a test,
 * processes are real ones, and systemctl is one that hangs.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemProcesses } from '../../../shared/adapters/system-processes.ts';

const units = join(import.meta.dirname, '../../../systemd');
const { startTicks } = systemProcesses();
let folder = '';
let group = '';
let called = '';
let server: ChildProcess;
let shim = 0;
const pid = (): number => server.pid ?? 0;

/**
 * As k3s does with `log` in its settings: it runs itself again as a child that is told of its end
 * by SIGTERM, and does not look at the log where it is that child (k3s pkg/cli/cmds/log_linux.go).
 * The server takes its time to end.
 */
const loggingServer = `#!/bin/sh
if [ -z "$_K3S_LOG_REEXEC_" ]; then
  _K3S_LOG_REEXEC_=true setpriv --pdeathsig TERM "$0" &
  wait
  exit
fi
trap '' TERM
echo $$
sleep 300 & wait; wait
`;

/** What systemd adds to the environment of k3s.service, of the drop-in alone. */
const dropInEnvironment = (): Record<string, string> => {
  const text = readFileSync(join(units, 'k3s.service.d/10-baton-gate.conf'), 'utf8');
  const given = [...text.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line = '']) =>
    line.split(' ').map((pair) => pair.split('=') as [string, string]),
  );
  return Object.fromEntries(given);
};

/** A session of its own, as systemd starts k3s, with a shim of a container in its group. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'baton-unit-'));
  group = join(folder, 'system.slice/k3s.service');
  called = join(folder, 'systemctl.pid');
  mkdirSync(group, { recursive: true });
  mkdirSync(join(folder, 'bin'));
  // An exec, so that the limit of the caller ends it.
  const hanging = `#!/bin/sh\necho "$$ $*" >"${called}"\nexec sleep 300\n`;
  writeFileSync(join(folder, 'bin/systemctl'), hanging, { mode: 0o755 });
  writeFileSync(join(folder, 'boot-id'), 'b00\n');
  server = spawn('/bin/sh', ['-c', 'sleep 300 & echo $!; wait'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(server.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  shim = Number(line.toString());
});
afterEach(async () => {
  for (const one of [pid(), shim]) if (startTicks(one) !== null) process.kill(one, 'SIGKILL');
  // Ends by its own limit; nothing of the test must outlive it.
  if (existsSync(called)) {
    const left = Number(readFileSync(called, 'utf8').split(' ')[0]);
    while (startTicks(left) !== null) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // The word to systemd is not waited for: one of the last look may just be beginning.
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

const kill = (lease = ''): { status: number | null; stderr: string } => {
  writeFileSync(join(folder, 'lease'), lease);
  const { status, stderr } = spawnSync(
    join(units, 'baton-kill-unit.sh'),
    ['k3s.service', join(folder, 'lease'), join(folder, 'boot-id')],
    {
      env: { PATH: `${folder}/bin:${process.env.PATH}`, BATON_CGROUP: folder },
      encoding: 'utf8',
      // It must not wait for the systemctl that hangs.
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  return { status, stderr };
};
const fine = { status: 0, stderr: '' };
const told = async (): Promise<string> => {
  while (!existsSync(called) || readFileSync(called, 'utf8') === '') {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return readFileSync(called, 'utf8').trim().replace(/^\d+ /, '');
};

describe.runIf(process.platform === 'linux')('the kill command of a real node', () => {
  test('the server dies although systemctl hangs, and its containers live', async () => {
    writeFileSync(join(group, 'cgroup.procs'), `${shim}\n${pid()}\n`);
    const exited = once(server, 'exit');
    expect(kill()).toEqual(fine);
    expect(await exited).toEqual([null, 'SIGKILL']);
    expect(startTicks(shim)).not.toBeNull();
    expect(await told()).toBe('kill --signal=SIGKILL --kill-whom=main k3s.service');
  });

  test('a server in a group below is found as well', async () => {
    mkdirSync(join(group, 'init'));
    writeFileSync(join(group, 'cgroup.procs'), '');
    writeFileSync(join(group, 'init/cgroup.procs'), `${pid()}\n${shim}\n`);
    const exited = once(server, 'exit');
    expect(kill()).toEqual(fine);
    expect(await exited).toEqual([null, 'SIGKILL']);
    await told();
  });

  test.each([
    ['the root', 'k3s.service'],
    ['another slice', 'machine.slice/k3s.service'],
    ['a slice in a slice', 'a.slice/a-b.slice/a-b-c\\x2dd.slice/k3s.service'],
  ])('a server whose group `Slice=` puts into %s is found', async (_, place) => {
    rmSync(group, { recursive: true });
    mkdirSync(join(folder, place), { recursive: true });
    writeFileSync(join(folder, place, 'cgroup.procs'), `${shim}\n${pid()}\n`);
    const exited = once(server, 'exit');
    expect(kill()).toEqual(fine);
    expect(await exited).toEqual([null, 'SIGKILL']);
    expect(startTicks(shim)).not.toBeNull();
    await told();
  });

  test('a group of that name which is no unit of systemd’s is left alone', () => {
    rmSync(group, { recursive: true });
    const pod = join(folder, 'kubepods.slice/pod-1.scope/k3s.service');
    mkdirSync(pod, { recursive: true });
    writeFileSync(join(pod, 'cgroup.procs'), `${pid()}\n`);
    expect(kill()).toEqual(fine);
    expect(startTicks(pid())).not.toBeNull();
    expect(existsSync(called)).toBe(false);
  });

  test('a server that is to log into a file is the main process, and dies', async () => {
    const program = join(folder, 'k3s');
    writeFileSync(program, loggingServer, { mode: 0o755 });
    const main = spawn(program, [], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH, ...dropInEnvironment() },
    });
    const [line] = (await once(main.stdout, 'data')) as [Buffer];
    const serving = Number(line.toString());
    try {
      writeFileSync(join(group, 'cgroup.procs'), `${main.pid}\n${serving}\n`);
      const exited = once(main, 'exit');
      expect(kill()).toEqual(fine);
      await exited;
      expect(startTicks(serving)).toBeNull();
    } finally {
      process.kill(-Number(main.pid), 'SIGKILL');
    }
    await told();
  });

  test('one that was started under a new lease meanwhile is left alone', () => {
    writeFileSync(join(group, 'cgroup.procs'), `${pid()}\n`);
    expect(kill('boot_id=b00\ndeadline_ms=999999999999\n')).toEqual(fine);
    expect(startTicks(pid())).not.toBeNull();
    expect(existsSync(called)).toBe(false);
  });

  test('without a group nothing runs, and systemd is left in peace', () => {
    rmSync(group, { recursive: true });
    expect(kill()).toEqual(fine);
    expect(existsSync(called)).toBe(false);
  });

  test('a list of nonsense, of 0, of 1 and of nobody kills nobody', async () => {
    writeFileSync(join(group, 'cgroup.procs'), `0\n1\n-1\n\nall of them\n999999999\n${shim}\n`);
    expect(kill()).toEqual(fine);
    expect(startTicks(pid())).not.toBeNull();
    expect(startTicks(shim)).not.toBeNull();
    await told();
  });

  test('the switch looks on while systemctl hangs', async () => {
    writeFileSync(join(group, 'cgroup.procs'), `${pid()}\n`);
    writeFileSync(join(folder, 'lease'), '');
    const places = [join(folder, 'lease'), join(folder, 'boot-id')];
    const command = [join(units, 'baton-kill-unit.sh'), 'k3s.service', ...places];
    const deadman = spawn(join(units, 'baton-deadman.sh'), [...places, ...command], {
      env: { PATH: `${folder}/bin:${process.env.PATH}`, BATON_CGROUP: folder },
    });
    await once(server, 'exit');
    // The next server that slips through: killed at a later look, systemctl hanging or not.
    const second = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
    writeFileSync(join(group, 'cgroup.procs'), `${second.pid}\n`);
    expect(await once(second, 'exit')).toEqual([null, 'SIGKILL']);
    deadman.kill('SIGKILL');
    await once(deadman, 'exit');
  });

  test('a call without a unit says how it is called', () => {
    const seen = spawnSync(join(units, 'baton-kill-unit.sh'), [], { encoding: 'utf8' });
    expect(seen.status).toBe(2);
    expect(seen.stderr).toContain('usage');
  });
});
