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

export function processSupervisor(
  settings: SupervisorSettings,
  ports: { readonly processes: Processes; readonly files: Files; readonly clock: Clock },
): UnitManager {
  const { processes, files, clock } = ports;
  const pidFile = `${settings.directory}/server.pid`;
  const agentMark = `${settings.directory}/agent.active`;
  const mark = (unit: UnitName): string => `${settings.directory}/${unit}.masked`;
  let exitHandler: (detail: string) => void = () => {};
  let server: KnownProcess | null = readPidFile(files, pidFile);
  let watching: { cancel(): void } | null = null;
  /** Servers that were told to end: their exit is no news. */
  const asked = new WeakSet<KnownProcess>();
  /** Rises with each stop and fence: a start that began before must not start anything. */
  let halts = 0;

  files.makeDirectory(settings.directory);
  if (server !== null && !isAlive(processes, server)) server = null;

  const forget = (): void => {
    watching?.cancel();
    watching = null;
    server = null;
    files.remove(pidFile);
  };

  const ended = (known: KnownProcess, detail: string): void => {
    if (server !== known) return;
    const expected = asked.has(known);
    forget();
    if (!expected) exitHandler(detail);
  };

  const watch = (known: KnownProcess): void => {
    watching?.cancel();
    watching = watchProcess(processes, clock, known, () =>
      ended(known, `the server process ${known.pid} is gone`),
    );
  };
  if (server !== null) watch(server);

  const gateOpen = async (): Promise<UnitResult> => {
    const { gateScript, leaseFile, bootIdFile } = settings;
    const options = { timeout: GATE_TIMEOUT };
    const result = await processes.run(gateScript, [leaseFile, bootIdFile], options);
    if (result.code === 0) return done;
    return failed(result.stderr.trim() || `the gate ended with ${result.code ?? result.signal}`);
  };

  const startServer = async (): Promise<UnitResult> => {
    if (server !== null && isAlive(processes, server)) return done;
    const before = halts;
    const gate = await gateOpen();
    if (!gate.ok) return gate;
    // Nothing is awaited from here to the pid file: a fence either came before or finds the pid.
    if (halts !== before) return failed('stopped while it was starting');
    if (files.exists(mark('server'))) return failed('the server unit is masked');
    const { command, args, environment } = settings.invocation();
    const { logFile } = settings;
    const child = processes.start(command, args, { environment, logFile, detached: true });
    const known = knownProcess(processes, child.pid);
    server = known;
    files.write(pidFile, `${known.pid} ${known.startTicks ?? ''}\n`, { sync: false });
    child.exited
      .then(({ code, signal }) =>
        ended(known, `the server ended with ${signal ?? `status ${code}`}`),
      )
      .catch((error: unknown) => ended(known, `the server did not start: ${String(error)}`));
    return done;
  };

  const mask = (unit: UnitName): void => files.write(mark(unit), '', { sync: false });

  /** Masks, then TERM to the group and KILL after `grace`; such an exit is not reported. */
  const halt = async (grace: Duration): Promise<UnitResult> => {
    halts += 1;
    mask('server');
    const known = server;
    if (known === null) return done;
    asked.add(known);
    signalGroup(known, 'SIGTERM');
    if (!(await goneWithin(processes, clock, known, grace))) signalGroup(known, 'SIGKILL');
    if (!(await goneWithin(processes, clock, known, KILL_WAIT))) {
      return failed(`process ${known.pid} does not die of SIGKILL`);
    }
    // Children that ignored SIGTERM while their leader obeyed.
    signalGroup(known, 'SIGKILL');
    if (server === known) forget();
    return done;
  };

  return {
    kind: 'processes',
    async start(unit) {
      if (unit === 'server') files.remove(agentMark);
      else await halt(milliseconds(0));
      mask(other(unit));
      files.remove(mark(unit));
      if (unit === 'server') return startServer();
      files.write(agentMark, '', { sync: false });
      return done;
    },
    async stop(unit, grace) {
      if (unit === 'server') return halt(grace);
      mask('agent');
      files.remove(agentMark);
      return done;
    },
    fence: (grace) => halt(grace).catch((error: unknown) => failed(String(error))),
    running: async (unit) =>
      unit === 'server' ? server !== null && isAlive(processes, server) : files.exists(agentMark),
    onServerExit(handler) {
      exitHandler = handler;
    },
    close() {
      watching?.cancel();
    },
  };
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
