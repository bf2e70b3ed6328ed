/**
 * One machine of the process lab: its agent and coordinator as real processes, and what can befall
 * it (power cut, freeze, one daemon killed). The agent starts the shipped dead man's switch and the
 * server by itself, both as processes of their own.
 *
 * A power cut is SIGKILL to everything of the node at once, and `run/` is gone, as memory is; the
 * boot id changes with the next start. What it does not show: writes that the kernel held and the
 * disk never got. The machine lab cuts real power.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { NodePlace } from './layout.ts';
import { DAEMON_ENVIRONMENT, DAEMON_FLAGS, type Programs } from './programs.ts';
import { isAlive, killTagged, TAG, taggedProcesses } from './tagged-processes.ts';

export type Daemon = 'agent' | 'coordinator';

/** A daemon that ended although nobody ended it. */
export interface Surprise {
  readonly node: string;
  readonly daemon: Daemon;
  readonly how: string;
  readonly log: string;
}

export class LabNode {
  readonly place: NodePlace;
  readonly #tag: string;
  readonly #programs: Programs;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #daemons = new Map<Daemon, ChildProcess>();
  readonly #surprised: (surprise: Surprise) => void;
  #on = false;

  constructor(of: {
    place: NodePlace;
    run: string;
    programs: Programs;
    environment: Readonly<Record<string, string>>;
    surprised: (surprise: Surprise) => void;
  }) {
    this.place = of.place;
    this.#tag = `${of.run}/${of.place.name}`;
    this.#programs = of.programs;
    this.#environment = { ...DAEMON_ENVIRONMENT, ...of.environment, [TAG]: this.#tag };
    this.#surprised = of.surprised;
  }

  get name(): string {
    return this.place.name;
  }

  /** Whether the machine has power. */
  get on(): boolean {
    return this.#on;
  }

  /** A boot: a new boot id, an empty `run/`, then the daemons in the order of the units. */
  boot(): void {
    const { place } = this;
    rmSync(place.run, { recursive: true, force: true });
    for (const folder of [place.run, place.stateDir, place.k3sConfigDir]) {
      mkdirSync(folder, { recursive: true, mode: 0o750 });
    }
    writeFileSync(place.bootIdFile, `${randomUUID()}\n`);
    this.#on = true;
    if (place.coordinator) this.startCoordinator();
    this.#spawn('agent', [this.#programs.agent, '--settings', place.agentSettings]);
  }

  startCoordinator(): void {
    const { coordinatorSettings } = this.place;
    this.#spawn('coordinator', [this.#programs.coordinator, '--settings', coordinatorSettings]);
  }

  /**
   * SIGKILL to everything of the node. Returns the wall clock at the first signal, in ms.
   * `killing` is a kill that is under way and takes this node with it.
   */
  async cutPower(killing?: ReturnType<typeof killTagged>): Promise<number> {
    this.#on = false;
    const { atMs, survivors } = await (killing ?? killTagged(this.#tag));
    for (const { pid, command } of survivors) {
      process.stderr.write(`warning: ${this.name}: process ${pid} outlived SIGKILL: ${command}\n`);
    }
    this.#daemons.clear();
    this.#keepServerLog();
    rmSync(this.place.run, { recursive: true, force: true });
    return atMs;
  }

  /** SIGKILL to one daemon alone. Returns the wall clock in ms. */
  kill(daemon: Daemon): number {
    const child = this.#daemons.get(daemon);
    this.#daemons.delete(daemon);
    const atMs = Date.now();
    child?.kill('SIGKILL');
    return atMs;
  }

  /** SIGSTOP to the agent; nothing else of the node notices. Returns the wall clock in ms. */
  freezeAgent(): number {
    const atMs = Date.now();
    this.#daemons.get('agent')?.kill('SIGSTOP');
    return atMs;
  }

  thawAgent(): number {
    const atMs = Date.now();
    this.#daemons.get('agent')?.kill('SIGCONT');
    return atMs;
  }

  pidOf(daemon: Daemon): number | null {
    const pid = this.#daemons.get(daemon)?.pid;
    return pid !== undefined && isAlive(pid) ? pid : null;
  }

  /** Processes of this node that are no daemon of ours: the server and its children. */
  others(): { pid: number; command: string }[] {
    const own = new Set([...this.#daemons.values()].map(({ pid }) => pid));
    return taggedProcesses(this.#tag).filter(({ pid }) => !own.has(pid));
  }

  /** Own process group: a Ctrl-C in the terminal is for the driver alone. */
  #spawn(daemon: Daemon, args: readonly string[]): void {
    const logFile = join(this.place.folder, `${daemon}.log`);
    const log = openSync(logFile, 'a');
    const child = spawn(process.execPath, [...DAEMON_FLAGS, ...args], {
      cwd: this.place.folder,
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: process.env.PATH, HOME: this.place.folder, ...this.#environment },
    });
    closeSync(log);
    this.#daemons.set(daemon, child);
    const ended = (how: string): void => {
      if (!this.#on || this.#daemons.get(daemon) !== child) return; // Ended by us.
      this.#daemons.delete(daemon);
      this.#surprised({ node: this.name, daemon, how, log: logFile });
    };
    child.on('error', (error) => ended(`did not start: ${error.message}`));
    child.on('exit', (code, signal) => ended(`ended with ${signal ?? `status ${code}`}`));
  }

  /** The server's words go with `run/`; whoever looks after a failed run needs them. */
  #keepServerLog(): void {
    try {
      const log = readFileSync(join(this.place.run, 'k3s-server.log'));
      appendFileSync(join(this.place.folder, 'k3s-server.log'), log);
    } catch {
      // No server ran in this boot.
    }
  }
}
