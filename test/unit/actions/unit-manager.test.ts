/**
 * One contract for both unit managers, on real processes: the process supervisor as it is, and
 * `systemctl` played by a script. Every server started here is ended by its own id.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatLeaseFile } from '../../../agent/actions/lease-file.ts';
import type { UnitManager } from '../../../agent/actions/unit-manager.ts';
import { processSupervisor } from '../../../agent/adapters/process-supervisor.ts';
import { systemctlUnits } from '../../../agent/adapters/systemctl-units.ts';
import { systemClock } from '../../../shared/adapters/system-clock.ts';
import { systemFiles } from '../../../shared/adapters/system-files.ts';
import { systemProcesses } from '../../../shared/adapters/system-processes.ts';
import type { Processes } from '../../../shared/ports/processes.ts';
import { instant, milliseconds } from '../../../shared/time/duration.ts';

const gate = join(import.meta.dirname, '../../../systemd/baton-gate.sh');
const fakeSystemctl = join(import.meta.dirname, 'fake-systemctl.sh');
/** Ignores SIGTERM; its child would outlive it if only the leader were killed. */
const stubborn = "trap '' TERM; while :; do sleep 1; done";
const obedient = 'exec sleep 60';
const clock = systemClock();
const grace = milliseconds(100);

let directory = '';
let managers: UnitManager[] = [];
let pids: number[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'baton-units-'));
  writeFileSync(join(directory, 'boot-id'), 'b00-1\n');
  managers = [];
  pids = [];
});

afterEach(async () => {
  for (const manager of managers) {
    await manager.fence(milliseconds(0));
    manager.close();
  }
  // kill(-0) would end the test itself.
  for (const pid of pids.filter((one) => one > 1)) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Already gone: the normal case.
    }
  }
  rmSync(directory, { recursive: true, force: true });
});

const openLease = (): void => {
  const deadline = instant(clock.now() + 60_000);
  const text = formatLeaseFile({ bootId: 'b00-1', owner: 'pi1', epoch: 1, deadline });
  writeFileSync(join(directory, 'lease'), text);
};

/** Slows the gate down, so that a fence can come while a start is under way. */
const withSlowGate = (processes: Processes, slow: boolean): Processes => ({
  ...processes,
  run: async (command, args, options) => {
    const result = await processes.run(command, args, options);
    const asksGate = command === gate || args.includes('unmask');
    if (slow && asksGate) await new Promise<void>((go) => clock.in(milliseconds(200), go));
    return result;
  },
});

interface Wish {
  readonly server?: string;
  readonly slowGate?: boolean;
  /** Gets every call of systemctl: verb and unit. */
  readonly calls?: string[];
}

const supervisor = ({ server = obedient, slowGate = false }: Wish): UnitManager =>
  processSupervisor(
    {
      directory: join(directory, 'units'),
      invocation: () => ({ command: '/bin/sh', args: ['-c', server], environment: {} }),
      logFile: join(directory, 'server.log'),
      gateScript: gate,
      leaseFile: join(directory, 'lease'),
      bootIdFile: join(directory, 'boot-id'),
    },
    { processes: withSlowGate(systemProcesses(), slowGate), files: systemFiles(), clock },
  );

const systemctl = ({ server = obedient, slowGate = false, calls = [] }: Wish): UnitManager => {
  const real = systemProcesses();
  const environment = {
    FAKE_SYSTEMD: directory,
    FAKE_GATE: `${gate} ${directory}/lease ${directory}/boot-id`,
    FAKE_SERVER: server,
  };
  const run: Processes['run'] = (command, args, options) => {
    calls.push(`${args[0]} ${args.find((word) => word.endsWith('.service'))}`);
    return real.run(command, args, { ...options, environment });
  };
  const processes = withSlowGate({ ...real, run }, slowGate);
  return systemctlUnits({ processes, clock }, fakeSystemctl);
};

const pidOf = (): number => {
  for (const file of ['units/server.pid', 'k3s.service.pid']) {
    try {
      const pid = Number(readFileSync(join(directory, file), 'utf8').split(' ')[0]);
      if (pid > 0) return pid;
    } catch {
      // The other manager's file.
    }
  }
  return 0;
};

describe.runIf(process.platform === 'linux').each([
  ['process supervisor', supervisor],
  ['systemctl', systemctl],
])('%s', (_name, create) => {
  const make = (wish: Wish = {}): UnitManager => {
    const manager = create(wish);
    managers.push(manager);
    return manager;
  };
  const started = async (manager: UnitManager): Promise<number> => {
    openLease();
    expect(await manager.start('server')).toMatchObject({ ok: true });
    const pid = pidOf();
    pids.push(pid);
    return pid;
  };
  const exits = (manager: UnitManager): string[] => {
    const heard: string[] = [];
    manager.onServerExit((detail) => heard.push(detail));
    return heard;
  };
  const alive = (pid: number): boolean => systemProcesses().signal(pid, 'probe');

  test('a server is started once, and started again changes nothing', async () => {
    const manager = make();
    const pid = await started(manager);
    expect(await manager.running('server')).toBe(true);
    expect(await manager.start('server')).toMatchObject({ ok: true });
    expect(pidOf()).toBe(pid);
  });

  test('without a lease nothing starts', async () => {
    const manager = make();
    const result = await manager.start('server');
    expect(result.ok).toBe(false);
    expect(await manager.running('server')).toBe(false);
    expect(pidOf()).toBe(0);
  });

  test('a stop is awaited, masks, is harmless when repeated, and is no news', async () => {
    const manager = make();
    const heard = exits(manager);
    const pid = await started(manager);
    expect(await manager.stop('server', grace)).toEqual({ ok: true });
    expect(alive(pid)).toBe(false);
    expect(await manager.stop('server', grace)).toEqual({ ok: true });
    expect(await manager.running('server')).toBe(false);
    expect(heard).toEqual([]);
  });

  test('a fence kills a server that ignores SIGTERM', async () => {
    const manager = make({ server: stubborn });
    const pid = await started(manager);
    expect(await manager.fence(grace)).toEqual({ ok: true });
    expect(alive(pid)).toBe(false);
  });

  test('a fence cuts across a start that is under way', async () => {
    const manager = make({ slowGate: true });
    openLease();
    const starting = manager.start('server');
    await new Promise<void>((go) => clock.in(milliseconds(100), go));
    const fenced = await manager.fence(grace);
    const result = await starting;
    pids.push(pidOf());
    expect([fenced.ok, result.ok, await manager.running('server')]).toEqual([true, false, false]);
  });

  test('a fence that comes as soon as a start is ordered wins', async () => {
    const manager = make();
    openLease();
    const starting = manager.start('server');
    const fenced = await manager.fence(grace);
    const result = await starting;
    pids.push(pidOf());
    expect([fenced.ok, result.ok, await manager.running('server')]).toEqual([true, false, false]);
  });

  test('an exit that nobody asked for is reported once', async () => {
    const manager = make();
    const pid = await started(manager);
    const heard = await new Promise<string[]>((resolve) => {
      const all: string[] = [];
      manager.onServerExit((detail) => {
        all.push(detail);
        clock.in(milliseconds(1500), () => resolve(all));
      });
      process.kill(pid, 'SIGKILL');
    });
    expect(heard).toHaveLength(1);
    expect(await manager.running('server')).toBe(false);
  });

  test('another life of the agent finds the running server, and hears of its end', async () => {
    const first = make();
    const pid = await started(first);
    first.close();
    const second = make();
    expect(await second.running('server')).toBe(true);
    await new Promise<void>((resolve) => {
      second.onServerExit(() => resolve());
      process.kill(pid, 'SIGKILL');
    });
  });

  test('the agent unit runs only after the server has ended', async () => {
    const manager = make();
    const pid = await started(manager);
    expect(await manager.start('agent')).toMatchObject({ ok: true });
    pids.push(Number(pidOf()));
    expect([alive(pid), await manager.running('agent')]).toEqual([false, true]);
    expect(await manager.stop('agent', grace)).toMatchObject({ ok: true });
    expect(await manager.running('agent')).toBe(false);
  });
});

test('a stop that systemd cannot begin yet reaches the server all the same', async () => {
  openLease();
  const [file, up] = [join(directory, 'told'), join(directory, 'up')];
  const waits = 'while :; do sleep 0.05; done';
  const manager = systemctl({ server: `trap 'echo told >${file}; exit' TERM; : >${up}; ${waits}` });
  managers.push(manager);
  await manager.start('server');
  pids.push(pidOf());
  // Started is what has a process; only one that has come to its trap can tell of a signal.
  while (!existsSync(up)) await new Promise<void>((go) => clock.in(milliseconds(10), go));
  writeFileSync(join(directory, 'k3s.service.queued'), '');
  expect(await manager.stop('server', milliseconds(20_000))).toEqual({ ok: true });
  expect(readFileSync(file, 'utf8')).toBe('told\n');
});

test.each(['stop', 'fence'] as const)(
  'a %s masks only what has ended: pods live on',
  async (way) => {
    openLease();
    const manager = systemctl({ server: stubborn });
    managers.push(manager);
    await manager.start('server');
    pids.push(pidOf());
    expect(
      way === 'stop' ? await manager.stop('server', grace) : await manager.fence(grace),
    ).toEqual({
      ok: true,
    });
    expect(existsSync(join(directory, 'k3s.service.masked'))).toBe(true);
    expect(existsSync(join(directory, 'k3s.service.forgotten'))).toBe(false);
  },
);

test('a twin that a step before has shut is asked for, and not shut again', async () => {
  openLease();
  const calls: string[] = [];
  const manager = systemctl({ calls });
  managers.push(manager);
  await manager.stop('agent', grace);
  expect(calls.splice(0)).toEqual(
    ['show', 'stop', 'mask', 'show'].map((verb) => `${verb} k3s-agent.service`),
  );
  // Once more, as another tenure would: nothing that makes systemd read its units again.
  await manager.stop('agent', grace);
  expect(calls.splice(0)).toEqual(['show k3s-agent.service']);
  expect(await manager.start('server')).toEqual({ ok: true });
  pids.push(pidOf());
  expect(calls.slice(0, 3)).toEqual([
    'show k3s-agent.service',
    'unmask k3s.service',
    'start k3s.service',
  ]);
});

test.each([
  ['runs', ['start'], 'stop k3s-agent.service'],
  ['is only stopped', [], 'stop k3s-agent.service'],
])('a twin that %s is stopped and masked before a server starts', async (_name, verbs, stop) => {
  openLease();
  const calls: string[] = [];
  const manager = systemctl({ calls });
  managers.push(manager);
  if (verbs.length > 0) await manager.start('agent');
  if (verbs.length > 0) pids.push(Number(readFileSync(join(directory, 'k3s-agent.service.pid'))));
  calls.length = 0;
  await manager.start('server');
  pids.push(pidOf());
  const wanted = ['show k3s-agent.service', stop, 'mask k3s-agent.service'];
  expect(calls.slice(0, 3)).toEqual(wanted);
  expect(await manager.running('agent')).toBe(false);
});

test('a server that systemd waits with has not started', async () => {
  openLease();
  writeFileSync(join(directory, 'k3s.service.restarts'), '');
  const manager = systemctl({});
  managers.push(manager);
  const result = await manager.start('server');
  expect(result).toMatchObject({ ok: false, detail: expect.stringContaining('exit-code') });
});

test('a pid that is in use by another process is not taken for the server', async () => {
  const units = join(directory, 'units');
  const files = systemFiles();
  files.makeDirectory(units);
  // This test's own process, with a start time it does not have.
  files.write(join(units, 'server.pid'), `${process.pid} 1\n`, { sync: false });
  const manager = supervisor({});
  managers.push(manager);
  expect(await manager.running('server')).toBe(false);
});
