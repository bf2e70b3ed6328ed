/**
 * Real agents as processes on loopback: what the tests of this folder start, ask and kill.
 *
 * Each node has an address, folders and a boot id of its own, as in the demo (test/lab); nothing
 * runs as root. Every process is ended by its id: agents as children, servers and dead man's
 * switches by their pid files. Timings are the shortest that the rules allow.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { StatusAnswer } from '../../../agent/cli/control.ts';
import { generateClusterKey } from '../../../shared/crypto/key-file.ts';
import type { NodeReport } from '../../../shared/protocol/report.ts';
import { ownNet } from '../net/own-net.ts';

const project = join(import.meta.dirname, '../../..');
const EMBEDDED = join(project, 'test/control-plane/embedded/k3s.ts');

/** The flags of the units; memory is measured with them. */
const nodeFlags = ['--max-semi-space-size=1', '--optimize-for-size', '--v8-pool-size=1'];

/**
 * Lease 5 s: two periods of the dead man's switch (no data-path gate) and the kill are fixed at
 * 2.5 s, so 2.2 s are left for the fence. On a busy host an agent waits that long for a processor
 * now and then, and a lease lost so spoils a story.
 */
export const quick = {
  lease_duration_ms: 5000,
  renew_interval_ms: 400,
  fence_after_ms: 2200,
  answer_timeout_ms: 200,
  candidate_stagger_ms: 100,
  yield_wait_ms: 300,
  cold_start_wait_ms: 6000,
  retire_after_ms: 60_000,
  sit_out_ms: 5000,
};

/** For stories in which nobody is to lose a lease, and a start on a busy machine takes seconds. */
export const patient = { ...quick, lease_duration_ms: 12_000, fence_after_ms: 9000 };

export interface RigNode {
  readonly name: string;
  readonly address: string;
  readonly directory: string;
  readonly settings: string;
  readonly log: string;
}

export interface RigOptions {
  readonly names: readonly string[];
  readonly coordinators?: readonly string[];
  readonly lease?: Readonly<Record<string, number>>;
  readonly k3s?: string;
  /** Other programs than the sources, for example bundles: by path of the source. */
  readonly daemons?: Readonly<Record<string, string>>;
  /** Further flags for Node, for example `--cpu-prof`. */
  readonly nodeFlags?: readonly string[];
  /** Words before the command of one node's daemons, for example `unshare …`. */
  readonly within?: (name: string, directory: string) => readonly string[];
  /** Changes the settings of one node before they are written. */
  readonly adjust?: (name: string, settings: Record<string, never>) => void;
}

export interface Rig {
  readonly root: string;
  readonly nodes: readonly RigNode[];
  node(name: string): RigNode;
  start(name: string): ChildProcess;
  startCoordinator(name: string): ChildProcess;
  agent(name: string): ChildProcess | undefined;
  coordinator(name: string): ChildProcess | undefined;
  status(name: string): Promise<StatusAnswer | null>;
  command(name: string, command: unknown): Promise<{ ok: boolean; text: string } | null>;
  /** A planned move; a busy host refuses it now and then, and asks to try again. */
  move(from: string, to: string): Promise<void>;
  report(name: string): Promise<NodeReport | null>;
  /** The first node that says it serves, as soon as one does. */
  serving(limitMs: number, except?: string): Promise<NodeReport>;
  until<Value>(what: string, limitMs: number, ask: () => Promise<Value | null>): Promise<Value>;
  /** SIGKILL to agent, dead man's switch and server at once; with `reboot` memory is gone too. */
  crash(name: string, options?: { reboot?: boolean }): void;
  serverPid(name: string): number | null;
  close(): Promise<void>;
}

/** Words before a command (`within`) that let its Node run this script first. */
export const preload = (script: string): string[] => [
  'env',
  `NODE_OPTIONS=--import data:text/javascript,${encodeURIComponent(script)}`,
];

/** A script for `preload`: SIGTERM in the midst of the start, as a machine that goes down sends. */
export const endBeforeListening = `import { Server } from 'node:net';
  const real = Server.prototype.listen;
  Server.prototype.listen = function (...given) {
    Server.prototype.listen = real;
    process.kill(process.pid, 'SIGTERM');
    return real.apply(this, given);
  };`;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function makeRig(options: RigOptions): Rig {
  return new LoopbackRig(options);
}

class LoopbackRig implements Rig {
  readonly root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'baton-rig-'));
  readonly nodes: readonly RigNode[];
  readonly #options: RigOptions;
  readonly #agents = new Map<string, ChildProcess>();
  readonly #coordinators = new Map<string, ChildProcess>();
  /** All that were started, those that another one of their name has followed too. */
  readonly #children: ChildProcess[] = [];

  constructor(options: RigOptions) {
    this.#options = options;
    const net = ownNet();
    const key = generateClusterKey(randomBytes(32));
    const entries = options.names.map((name, index) => ({
      name,
      address: `${net}.${11 + index}`,
      coordinator: options.coordinators?.includes(name) ?? false,
    }));
    const token = randomBytes(16).toString('hex');
    this.nodes = entries.map((entry) => writeNode(this.root, entry, entries, key, token, options));
  }

  node(name: string): RigNode {
    const found = this.nodes.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no node ${name}`);
    return found;
  }

  start(name: string): ChildProcess {
    const { settings, log } = this.node(name);
    const child = this.#spawn(name, 'agent/main.ts', settings, log);
    this.#agents.set(name, child);
    return child;
  }

  startCoordinator(name: string): ChildProcess {
    const { directory } = this.node(name);
    const settings = join(directory, 'coordinator.yaml');
    const log = join(directory, 'coordinator.log');
    const child = this.#spawn(name, 'coordinator/main.ts', settings, log);
    this.#coordinators.set(name, child);
    return child;
  }

  agent(name: string): ChildProcess | undefined {
    return this.#agents.get(name);
  }

  coordinator(name: string): ChildProcess | undefined {
    return this.#coordinators.get(name);
  }

  async status(name: string): Promise<StatusAnswer | null> {
    return (await this.#ask(name, { verb: 'status' })) as StatusAnswer | null;
  }

  async command(name: string, command: unknown): ReturnType<Rig['command']> {
    const answer = await this.#ask(name, { verb: 'command', command });
    return answer as { ok: boolean; text: string } | null;
  }

  async move(from: string, to: string): Promise<void> {
    let said = '';
    const asked = async () => {
      const answer = await this.command(from, { name: 'move', to });
      said = answer?.text ?? 'no answer';
      return answer?.ok === true ? answer : null;
    };
    await this.until('a planned move', 60_000, asked).catch((error: unknown) => {
      throw new Error(`${from} does not move to ${to}: ${said}`, { cause: error });
    });
  }

  async report(name: string): Promise<NodeReport | null> {
    return (await this.status(name))?.self ?? null;
  }

  serving(limitMs: number, except?: string): Promise<NodeReport> {
    return this.until('a node that serves', limitMs, async () => {
      for (const { name } of this.nodes) {
        if (name === except) continue;
        const report = await this.report(name);
        if (report?.phase === 'serving') return report;
      }
      return null;
    });
  }

  /** What each agent said last, for whoever reads why a test failed. */
  #lastWords(): string {
    const said = ({ name, log }: RigNode): string[] => {
      const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
      return lines.slice(-8).map((line) => `${name}: ${line}`);
    };
    return this.nodes.flatMap(said).join('\n');
  }

  async until<Value>(
    what: string,
    limitMs: number,
    look: () => Promise<Value | null>,
  ): Promise<Value> {
    const end = performance.now() + limitMs;
    for (;;) {
      const value = await look();
      if (value !== null) return value;
      if (performance.now() > end) {
        throw new Error(`not within ${limitMs} ms: ${what}\n${this.#lastWords()}`);
      }
      await pause(25);
    }
  }

  crash(name: string, { reboot = false }: { reboot?: boolean } = {}): void {
    const { directory } = this.node(name);
    const pids = ['deadman', 'server'].map((one) => pidIn(directory, one));
    this.#agents.get(name)?.kill('SIGKILL');
    for (const pid of pids) if (pid !== null) killGroup(pid);
    if (!reboot) return;
    rmSync(join(directory, 'run'), { recursive: true, force: true });
    writeFileSync(join(directory, 'boot-id'), `${randomBytes(8).toString('hex')}\n`);
  }

  serverPid(name: string): number | null {
    return pidIn(this.node(name).directory, 'server');
  }

  async close(): Promise<void> {
    // Whoever still lives may start another server: first all of them, then what they left.
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children.map(ended));
    for (const { name } of this.nodes) this.crash(name);
    // A server that is just dying may be making a file.
    rmSync(this.root, { recursive: true, force: true, maxRetries: 50, retryDelay: 20 });
  }

  #spawn(name: string, file: string, settings: string, log: string): ChildProcess {
    const { daemons = {}, nodeFlags: further = [], within } = this.#options;
    const output = openSync(log, 'a');
    const program = daemons[file] ?? join(project, file);
    const before = within?.(name, this.node(name).directory) ?? [];
    const words = [...before, process.execPath, ...nodeFlags, ...further, program];
    const [command = '', ...rest] = words;
    const child = spawn(command, [...rest, '--settings', settings], {
      stdio: ['ignore', output, output],
      env: { ...process.env, MALLOC_ARENA_MAX: '1' },
    });
    closeSync(output);
    this.#children.push(child);
    return child;
  }

  #ask(name: string, request: unknown): Promise<unknown> {
    return askSocket(join(this.node(name).directory, 'run/control.sock'), request);
  }
}

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

function pidIn(directory: string, name: string): number | null {
  try {
    const pid = Number(
      readFileSync(join(directory, `run/units/${name}.pid`), 'utf8').split(' ')[0],
    );
    return Number.isSafeInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already: what was wanted.
  }
}

interface Entry {
  readonly name: string;
  readonly address: string;
  readonly coordinator: boolean;
}

function writeNode(
  root: string,
  entry: Entry,
  entries: readonly Entry[],
  key: string,
  token: string,
  options: RigOptions,
): RigNode {
  const directory = join(root, entry.name);
  const at = (name: string): string => join(directory, name);
  for (const name of ['etc', 'k3s', 'rancher']) mkdirSync(at(name), { recursive: true });
  writeFileSync(at('etc/cluster.key'), key, { mode: 0o600 });
  writeFileSync(at('rancher/token'), `${token}\n`, { mode: 0o600 });
  writeFileSync(at('boot-id'), `${randomBytes(8).toString('hex')}\n`);
  writeFileSync(at('hosts'), '127.0.0.1 localhost\n');
  const cluster = { key_file: at('etc/cluster.key'), nodes: entries };
  const agent = {
    node: { name: entry.name },
    cluster,
    lease: options.lease ?? quick,
    paths: {
      run_dir: at('run'),
      state_dir: at('state'),
      replica_dir: at('run/replica'),
      k3s_data_dir: at('k3s'),
      k3s_config_dir: at('rancher'),
      hosts_file: at('hosts'),
      boot_id_file: at('boot-id'),
      lease_file: at('run/lease'),
    },
    k3s: {
      unit_manager: 'process',
      command: options.k3s ?? EMBEDDED,
      server_args: ['--disable-agent'],
      token_file: at('rancher/token'),
    },
    network: { data_path_gate: 'none' },
    mqtt: { reader_address: entry.address },
    log: { level: 'debug' },
  };
  options.adjust?.(entry.name, agent as unknown as Record<string, never>);
  const coordinator = {
    node: { name: entry.name },
    cluster,
    listen: { address: entry.address },
    reader: { address: entry.address },
  };
  writeFileSync(at('agent.yaml'), stringify(agent));
  writeFileSync(at('coordinator.yaml'), stringify(coordinator));
  return { ...entry, directory, settings: at('agent.yaml'), log: at('agent.log') };
}

/** One line out, one line in; null when nobody answers. */
function askSocket(path: string, request: unknown): Promise<unknown> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(path);
    socket.setTimeout(30_000, () => socket.destroy());
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    socket.on('error', () => resolve(null));
    socket.on('close', () => resolve(text === '' ? null : JSON.parse(text)));
  });
}
