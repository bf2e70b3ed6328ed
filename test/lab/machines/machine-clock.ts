/**
 * A wall clock of its own for baton's programs on a machine. The kernel has one wall clock for all
 * machines of a lab and no namespace for it, so libfaketime answers in its place, inside baton's
 * daemons and a server that is started later. Boot clock and timers stay the kernel's: on a machine
 * whose clock is set it is the same.
 *
 * Everything lies in the machine's /run: its next boot has the true time again. Source:
 * faketime(1), "FAKETIME_TIMESTAMP_FILE".
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labProblem } from './host.ts';
import type { Machine } from './machine.ts';

const UNITS = [
  'baton-agent.service',
  'baton-coordinator.service',
  'baton-deadman.service',
  'k3s.service',
  'k3s-agent.service',
];
/** Begun again to have it; the server goes on as it is. */
const RESTARTED = UNITS.slice(0, 3);
const CLOCK_FILE = '/run/lab-clock';
/** libfaketime looks at its file again after this many seconds. */
export const CLOCK_READ_S = 1;

const dropInOf = (unit: string): string => `/run/systemd/system/${unit}.d`;

const libraryOf = (machine: Machine): string => {
  for (const folder of readdirSync(machine.path('/usr/lib'))) {
    const place = `/usr/lib/${folder}/faketime`;
    try {
      const files = readdirSync(machine.path(place));
      if (files.includes('libfaketime.so.1')) return join(place, 'libfaketime.so.1');
    } catch {
      // Another folder of /usr/lib.
    }
  }
  throw labProblem(`${machine.name} has no libfaketime`);
};

/** Sets the clock so many years off, from now on. */
export const setYears = (machine: Machine, years: number): void =>
  writeFileSync(machine.path(CLOCK_FILE), `${years < 0 ? '' : '+'}${years}y\n`);

/** Gives baton's programs a clock that is so many years off; agent and coordinator begin anew. */
export const giveClock = async (machine: Machine, years: number): Promise<void> => {
  setYears(machine, years);
  const environment = [
    `LD_PRELOAD=${libraryOf(machine)}`,
    `FAKETIME_TIMESTAMP_FILE=${CLOCK_FILE}`,
    `FAKETIME_CACHE_DURATION=${CLOCK_READ_S}`,
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
    'DONT_FAKE_MONOTONIC=1',
    'NO_FAKE_STAT=1',
  ].join(' ');
  for (const unit of UNITS) {
    const folder = machine.path(dropInOf(unit));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, '95-lab-clock.conf'), `[Service]\nEnvironment=${environment}\n`);
  }
  await machine.call('systemctl', 'daemon-reload');
  // One by one: an agent that is begun again has 3.5 s.
  for (const unit of RESTARTED) await machine.call('systemctl', 'restart', unit);
};

/** The true time again. */
export const takeClock = async (machine: Machine): Promise<void> => {
  await machine.call('rm', '-rf', ...UNITS.map((unit) => `${dropInOf(unit)}/95-lab-clock.conf`));
  await machine.call('systemctl', 'daemon-reload');
  // One by one: an agent that is begun again has 3.5 s.
  for (const unit of RESTARTED) await machine.call('systemctl', 'restart', unit);
};
