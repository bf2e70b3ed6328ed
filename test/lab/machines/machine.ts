/**
 * One machine: Debian with baton's own units, booted by systemd-nspawn, and what can befall it.
 *
 * Traps this file is shaped by: nspawn that is killed alone leaves its machine running, so power is
 * cut through the control group; `/run` is the machine's tmpfs and is reached through the root of
 * its first process; the boot id is new with each boot (nspawn makes one), the uptime is the
 * host's.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../wait-for.ts';
import type { WatchedNode, WatchedPlace } from '../watched.ts';
import { ControlGroup } from './control-group.ts';
import { Disk } from './disk.ts';
import { runAside } from './host.ts';
import { network } from './network.ts';

const BOOT_LIMIT_MS = 60_000;
const SHUTDOWN_LIMIT_MS = 120_000;
const CALL_LIMIT_MS = 60_000;
/** What systemd-nspawn exits with when the machine asked for a reboot (with --keep-unit). */
const REBOOT = 133;

export interface MachineOptions {
  readonly run: string;
  /** Of its control group: unique within the run. */
  readonly group: string;
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  readonly lower: readonly string[];
}

export class Machine implements WatchedNode {
  readonly name: string;
  readonly address: string;
  readonly disk: Disk;
  readonly console: string;
  readonly #group: ControlGroup;
  #nspawn: ChildProcess | null = null;
  /** The machine's first process, as a pid of ours. */
  #leader = 0;
  #frozen = false;

  constructor({ run, group, name, address, folder, lower }: MachineOptions) {
    this.name = name;
    this.address = address;
    this.disk = new Disk(folder, lower);
    this.console = join(folder, 'console.log');
    this.#group = new ControlGroup(run, group);
  }

  /** Whether it has power. */
  get on(): boolean {
    return this.#nspawn !== null;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** What is watched from outside. Through the first process, because `/run` is its own tmpfs. */
  get place(): WatchedPlace {
    return {
      address: this.address,
      hostsFile: this.path('/etc/hosts'),
      k3sDataDir: this.path('/var/lib/rancher/k3s'),
      controlSocket: this.path('/run/baton/control.sock'),
    };
  }

  /** A path of the machine as one of ours, its tmpfs included. Only while it is on. */
  path(inside: string): string {
    return `/proc/${this.#leader}/root${inside}`;
  }

  /** Power on, from the disk as it is. Resolves when its first process is there. */
  async boot(): Promise<void> {
    this.disk.attach();
    await this.#start();
  }

  async #start(): Promise<void> {
    network.forget(this.name, this.address);
    const enter = this.#group.make().map((file) => `echo $$ >'${file}'`);
    const nspawn = [
      'systemd-nspawn --quiet --boot --register=no --keep-unit --console=read-only',
      '--link-journal=no --resolv-conf=off --timezone=off',
      `--directory='${this.disk.root}' --machine=${this.name}`,
      `--network-bridge=${network.bridge}`,
    ].join(' ');
    const log = openSync(this.console, 'a');
    const child = spawn('sh', ['-c', `${enter.join(' && ')} && exec ${nspawn}`], {
      stdio: ['ignore', log, log],
      env: { PATH: process.env.PATH, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
    });
    closeSync(log);
    this.#nspawn = child;
    child.on('exit', (code) => this.#ended(child, code));
    this.#leader = await waitFor(`the boot of ${this.name}`, BOOT_LIMIT_MS, () =>
      firstProcess(child.pid ?? 0),
    );
  }

  #ended(child: ChildProcess, code: number | null): void {
    if (this.#nspawn !== child) return;
    this.#nspawn = null;
    if (code === REBOOT) void this.#start();
  }

  /** The plug is pulled: nothing gets a last word, and what was not synced is lost. */
  async cutPower(): Promise<number> {
    this.#nspawn = null;
    this.#frozen = false; // SIGKILL reaches frozen processes of this hierarchy too.
    const atMs = await this.#group.kill();
    await this.disk.loseUnsynced();
    this.#group.remove();
    return atMs;
  }

  /** The machine hangs as a whole, its kernel's network alone goes on; false: it goes on. */
  async freeze(frozen: boolean): Promise<number> {
    const atMs = await this.#group.freeze(frozen);
    this.#frozen = frozen;
    return atMs;
  }

  plug(inserted: boolean): number {
    return network.plug(this.name, inserted);
  }

  /** On the other half of a split bridge, or back. */
  moveAway(away: boolean): void {
    network.split(this.name, this.address, away);
  }

  /** `systemctl poweroff`, and it is off. */
  async powerOff(): Promise<void> {
    const child = this.#nspawn;
    await this.call('systemctl', 'poweroff', '--no-block');
    await waitFor(`the shutdown of ${this.name}`, SHUTDOWN_LIMIT_MS, () => {
      return this.#nspawn !== child;
    });
    this.#group.remove();
    this.disk.detach();
  }

  /** `systemctl reboot`; resolves when the next boot has begun. */
  async reboot(): Promise<number> {
    const atMs = Date.now();
    const before = this.#leader;
    await this.call('systemctl', 'reboot', '--no-block');
    await waitFor(`the reboot of ${this.name}`, SHUTDOWN_LIMIT_MS, () => this.#leader !== before);
    return atMs;
  }

  /** Runs a program of the machine. Errors: `process-failed` with its words. */
  call(...command: string[]): Promise<string> {
    const enter = ['--target', String(this.#leader), '--all', '--'];
    return runAside('nsenter', [...enter, ...command], CALL_LIMIT_MS);
  }

  /** SIGKILL to a unit's processes. Resolves with the wall clock before it, in ms. */
  async killUnit(unit: string): Promise<number> {
    const atMs = Date.now();
    await this.call('systemctl', 'kill', '--signal=SIGKILL', unit);
    return atMs;
  }

  /** The end of the lab: no ceremony. */
  async scrap(): Promise<void> {
    this.#nspawn = null;
    if (this.#group.populated()) await this.#group.kill();
    this.#group.remove();
    this.disk.detach();
  }
}

/** systemd-nspawn's own child that runs the machine's systemd; null until it is there. */
const firstProcess = (nspawn: number): number | null => {
  try {
    const children = readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8');
    const found = children
      .split(' ')
      .map(Number)
      .find((pid) => pid > 0 && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'systemd');
    return found ?? null;
  } catch {
    return null; // Between two of its steps.
  }
};
