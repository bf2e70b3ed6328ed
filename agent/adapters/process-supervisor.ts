/**
 * The unit manager of the demo and the lab without root: the server is a process of its own group
 * that outlives the agent, as a systemd unit would. The rules are the machine's:
 *  - a masked unit (marker file in the run folder) is never started;
 *  - the server is started only when the shipped gate script (systemd/baton-gate.sh), run at that
 *    moment, finds a valid lease file, as `ExecCondition=` does for k3s.service;
 *  - kills go to the whole group.
 * A server that runs already is found again by its pid file after a restart of the agent.
 *
 * The agent unit is a marker only: without root there are no pods for a k3s agent to keep.
 * Source: DESIGN sections 3.1 and 9.3; systemd.exec(5), systemd.kill(5).
 */
import type { Clock } from '../../shared/ports/clock.ts';
import type { Files } from '../../shared/ports/files.ts';
import type { Processes } from '../../shared/ports/processes.ts';
import { type Duration, milliseconds, seconds } from '../../shared/time/duration.ts';
import type { Invocation } from '../actions/server-command.ts';
import type { UnitManager, UnitName, UnitResult } from '../actions/unit-manager.ts';
import { goneWithin, isAlive, type KnownProcess, knownProcess, watchProcess } from './pid-watch.ts';

export interface SupervisorSettings {
  /** Folder of markers and pid file, below the run folder. */
  readonly directory: string;
  /** Asked at each start: what the server needs may have come with an archive meanwhile. */
  readonly invocation: () => Invocation;
  readonly logFile: string;
  /** systemd/baton-gate.sh as shipped. */
  readonly gateScript: string;
  readonly leaseFile: string;
  readonly bootIdFile: string;
}

const GATE_TIMEOUT = seconds(5);
/** A SIGKILLed process that is still there after this time hangs in the kernel. */
const KILL_WAIT = milliseconds(2000);

const other = (unit: UnitName): UnitName => (unit === 'server' ? 'agent' : 'server');
const failed = (detail: string): UnitResult => ({ ok: false, detail });
const done: UnitResult = { ok: true };

interface SupervisorPorts {
  readonly processes: Processes;
  readonly files: Files;
  readonly clock: Clock;
}

export function processSupervisor(
  settings: SupervisorSettings,
  ports: SupervisorPorts,
): UnitManager {
  return new ProcessSupervisor(settings, ports);
}

class ProcessSupervisor implements UnitManager {
  readonly #settings: SupervisorSettings;
  readonly #ports: SupervisorPorts;
  readonly #pidFile: string;
  readonly #agentMark: string;
  #exitHandler: (detail: string) => void = () => {};
  #server: KnownProcess | null;
  #watching: { cancel(): void } | null = null;
  /** Servers that were told to end: their exit is no news. */
  readonly #asked = new WeakSet<KnownProcess>();
  /** Rises with each stop and fence: a start that began before must not start anything. */
  #halts = 0;

  constructor(settings: SupervisorSettings, ports: SupervisorPorts) {
    this.#settings = settings;
    this.#ports = ports;
    this.#pidFile = `${settings.directory}/server.pid`;
    this.#agentMark = `${settings.directory}/agent.active`;
    this.#server = readPidFile(ports.files, this.#pidFile);
    ports.files.makeDirectory(settings.directory);
    if (!this.#serverRuns()) this.#server = null;
    if (this.#server !== null) this.#watch(this.#server);
  }

  async start(unit: UnitName): Promise<UnitResult> {
    const { files } = this.#ports;
    if (unit === 'server') files.remove(this.#agentMark);
    else await this.#halt(milliseconds(0));
    this.#mask(other(unit));
    files.remove(this.#mark(unit));
    if (unit === 'server') return this.#startServer();
    files.write(this.#agentMark, '', { sync: false });
    return done;
  }

  async stop(unit: UnitName, grace: Duration): Promise<UnitResult> {
    if (unit === 'server') return this.#halt(grace);
    this.#mask('agent');
    this.#ports.files.remove(this.#agentMark);
    return done;
  }

  fence(grace: Duration): Promise<UnitResult> {
    return this.#halt(grace).catch((error: unknown) => failed(String(error)));
  }

  async running(unit: UnitName): Promise<boolean> {
    return unit === 'server' ? this.#serverRuns() : this.#ports.files.exists(this.#agentMark);
  }

  onServerExit(handler: (detail: string) => void): void {
    this.#exitHandler = handler;
  }

  close(): void {
    this.#watching?.cancel();
  }

  async #startServer(): Promise<UnitResult> {
    if (this.#serverRuns()) return done;
    const before = this.#halts;
    const gate = await this.#gateOpen();
    if (!gate.ok) return gate;
    // Nothing is awaited from here to the pid file: a fence either came before or finds the pid.
    if (this.#halts !== before) return failed('stopped while it was starting');
    const { processes, files } = this.#ports;
    if (files.exists(this.#mark('server'))) return failed('the server unit is masked');
    const { command, args, environment } = this.#settings.invocation();
    const { logFile } = this.#settings;
    const child = processes.start(command, args, { environment, logFile, detached: true });
    const known = knownProcess(processes, child.pid);
    this.#server = known;
    files.write(this.#pidFile, `${known.pid} ${known.startTicks ?? ''}\n`, { sync: false });
    child.exited
      .then(({ code, signal }) =>
        this.#ended(known, `the server ended with ${signal ?? `status ${code}`}`),
      )
      .catch((error: unknown) => this.#ended(known, `the server did not start: ${String(error)}`));
    return done;
  }

  async #gateOpen(): Promise<UnitResult> {
    const { gateScript, leaseFile, bootIdFile } = this.#settings;
    const options = { timeout: GATE_TIMEOUT };
    const result = await this.#ports.processes.run(gateScript, [leaseFile, bootIdFile], options);
    if (result.code === 0) return done;
    return failed(result.stderr.trim() || `the gate ended with ${result.code ?? result.signal}`);
  }

  /** Masks, then TERM to the group and KILL after `grace`; such an exit is not reported. */
  async #halt(grace: Duration): Promise<UnitResult> {
    this.#halts += 1;
    this.#mask('server');
    const known = this.#server;
    if (known === null) return done;
    const { processes, clock } = this.#ports;
    this.#asked.add(known);
    signalGroup(known, 'SIGTERM');
    if (!(await goneWithin(processes, clock, known, grace))) signalGroup(known, 'SIGKILL');
    if (!(await goneWithin(processes, clock, known, KILL_WAIT))) {
      return failed(`process ${known.pid} does not die of SIGKILL`);
    }
    // Children that ignored SIGTERM while their leader obeyed.
    signalGroup(known, 'SIGKILL');
    if (this.#server === known) this.#forget();
    return done;
  }

  #serverRuns(): boolean {
    return this.#server !== null && isAlive(this.#ports.processes, this.#server);
  }

  #watch(known: KnownProcess): void {
    const { processes, clock } = this.#ports;
    this.#watching?.cancel();
    this.#watching = watchProcess(processes, clock, known, () =>
      this.#ended(known, `the server process ${known.pid} is gone`),
    );
  }

  #ended(known: KnownProcess, detail: string): void {
    if (this.#server !== known) return;
    const expected = this.#asked.has(known);
    this.#forget();
    if (!expected) this.#exitHandler(detail);
  }

  #forget(): void {
    this.#watching?.cancel();
    this.#watching = null;
    this.#server = null;
    this.#ports.files.remove(this.#pidFile);
  }

  #mark(unit: UnitName): string {
    return `${this.#settings.directory}/${unit}.masked`;
  }

  #mask(unit: UnitName): void {
    this.#ports.files.write(this.#mark(unit), '', { sync: false });
  }
}

/** A pid file with its start time; null when there is none or it is not one of ours. */
export function readPidFile(files: Files, path: string): KnownProcess | null {
  const [, pid, ticks] = /^([1-9]\d{0,9}) (\d*)\s*$/.exec(files.read(path) ?? '') ?? [];
  // kill(-1) would reach every process of this user.
  if (pid === undefined || Number(pid) <= 1) return null;
  return { pid: Number(pid), startTicks: ticks === '' || ticks === undefined ? null : ticks };
}

/** To every process of the group that the server leads; gone is as good as told. */
function signalGroup(known: KnownProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-known.pid, signal);
  } catch {
    // ESRCH: the group is gone. EPERM cannot be: we started it.
  }
}
