/** The dead man's switch as a process of its own: found again, armed again, ended in order. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { armDeadman, type DeadmanSwitch } from '../../../agent/adapters/deadman-switch.ts';
import { systemClock } from '../../../shared/adapters/system-clock.ts';
import { systemFiles } from '../../../shared/adapters/system-files.ts';
import { systemProcesses } from '../../../shared/adapters/system-processes.ts';

const scripts = join(import.meta.dirname, '../../../systemd');
const ports = { processes: systemProcesses(), files: systemFiles(), clock: systemClock() };
let folder = '';
let armed: DeadmanSwitch[] = [];
let told: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-deadman-'));
  writeFileSync(join(folder, 'boot-id'), 'b00\n');
  [armed, told] = [[], []];
});
afterEach(() => {
  for (const one of armed) one.disarm();
  rmSync(folder, { recursive: true, force: true });
});

const arm = (): DeadmanSwitch => {
  const one = armDeadman(
    {
      script: join(scripts, 'baton-deadman.sh'),
      killScript: join(scripts, 'baton-kill-server.sh'),
      leaseFile: join(folder, 'lease'),
      bootIdFile: join(folder, 'boot-id'),
      serverPidFile: join(folder, 'server.pid'),
      pidFile: join(folder, 'deadman.pid'),
    },
    ports,
    (detail) => told.push(detail),
  );
  armed.push(one);
  return one;
};
const pid = (): number => Number(readFileSync(join(folder, 'deadman.pid'), 'utf8').split(' ')[0]);
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 25));
};

test('the next life of the agent finds the same switch', () => {
  const first = arm();
  const before = pid();
  first.close();
  expect(arm().armed()).toBe(true);
  expect(pid()).toBe(before);
});

test('a switch that was killed is armed again, and that is told', async () => {
  arm();
  const before = pid();
  process.kill(before, 'SIGKILL');
  await until(() => told.length > 0);
  expect(told[0]).toContain('armed again');
  expect(pid()).not.toBe(before);
});

test('it ends a server without a lease, and an orderly end takes it away', async () => {
  const server = ports.processes.start('sleep', ['60'], { detached: true });
  const ticks = ports.processes.startTicks(server.pid);
  writeFileSync(join(folder, 'server.pid'), `${server.pid} ${ticks}\n`);
  const one = arm();
  expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' });
  one.disarm();
  await until(() => !one.armed());
});
