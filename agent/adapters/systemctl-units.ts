/**
 * The unit manager of machines: `systemctl` on k3s.service and k3s-agent.service.
 *
 * Traps this file is shaped by (systemctl(1), systemd.unit(5) "Unit File Load Path"):
 *  - `mask --runtime` writes below /run/systemd/system, which **loses** against a unit file in
 *    /etc/systemd/system. baton's image puts both units below /usr/lib; where k3s's own installer
 *    put them into /etc, the mask has no effect, and a start is refused with that sentence.
 *  - `systemctl start` waits for READY=1 and succeeds although ExecCondition refused; so the start
 *    is not waited for (`--no-block`) and the unit's own words are read until it has a process.
 *  - `systemctl` can hang with PID 1 or the bus. Every call has a limit, and the kill of a fence
 *    goes to the known pid directly, beside `systemctl`, never after it.
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Processes } from '../../shared/ports/processes.ts';
import { type Duration, milliseconds, seconds } from '../../shared/time/duration.ts';
import type { UnitManager, UnitName, UnitResult } from '../actions/unit-manager.ts';
import { goneWithin, isAlive, type KnownProcess, knownProcess, watchProcess } from './pid-watch.ts';

const services: Readonly<Record<UnitName, string>> = {
  server: 'k3s.service',
  agent: 'k3s-agent.service',
};
const CALL_LIMIT = seconds(5);
/** How long a start may take until the unit has a process: the gate script, no more. */
const START_LIMIT = seconds(10);
const START_STEP = milliseconds(100);
const KILL_WAIT = milliseconds(2000);

const failed = (detail: string): UnitResult => ({ ok: false, detail });
const done: UnitResult = { ok: true };

/** What `systemctl show` says of a unit. */
interface UnitState {
  readonly pid: number;
  readonly active: string;
  readonly load: string;
  readonly result: string;
  /** A start or stop job is queued or running. */
  readonly job: boolean;
}

type Call = (...args: readonly string[]) => Promise<UnitResult & { stdout: string }>;

/** One call of `systemctl`, with whatever went wrong in words. */
function caller(processes: Processes, command: string): Call {
  return async (...args) => {
    try {
      const result = await processes.run(command, args, { timeout: CALL_LIMIT });
      if (result.code === 0) return { ok: true, stdout: result.stdout };
      const why = result.timedOut ? `no answer in ${CALL_LIMIT} ms` : result.stderr.trim();
      return { ok: false, detail: `systemctl ${args.join(' ')}: ${why}`, stdout: result.stdout };
    } catch (error) {
      if (!isBatonError(error)) throw error;
      return { ok: false, detail: error.message, stdout: '' };
    }
  };
}

export function systemctlUnits(
  ports: { readonly processes: Processes; readonly clock: Clock },
  command = 'systemctl',
): UnitManager {
  const { processes, clock } = ports;
  let exitHandler: (detail: string) => void = () => {};
  let server: KnownProcess | null = null;
  let watching: { cancel(): void } | null = null;
  let halts = 0;

  const call = caller(processes, command);

  const show = async (unit: UnitName): Promise<UnitState> => {
    const names = 'MainPID,ActiveState,LoadState,Result,Job';
    return parseShow((await call('show', services[unit], `--property=${names}`)).stdout);
  };

  const mask = async (unit: UnitName): Promise<UnitResult> => {
    const masked = await call('mask', '--runtime', services[unit]);
    if (!masked.ok) return masked;
    if ((await show(unit)).load === 'masked') return done;
    return failed(
      `${services[unit]} cannot be masked: its unit file lies in /etc/systemd/system, which wins ` +
        'over a runtime mask - move the file to /usr/lib/systemd/system',
    );
  };

  const follow = (pid: number): void => {
    const known = knownProcess(processes, pid);
    if (server?.pid === pid && server.startTicks === known.startTicks) return;
    watching?.cancel();
    server = known;
    watching = watchProcess(processes, clock, known, () => void ended(known));
  };

  const ended = async (known: KnownProcess): Promise<void> => {
    if (server !== known) return;
    server = null;
    const { result } = await show('server');
    exitHandler(`k3s.service lost its main process ${known.pid} (systemd says: ${result})`);
  };

  const unwatch = (): void => {
    watching?.cancel();
    watching = null;
    server = null;
  };

  /** Until the server has a process, or systemd's job is over without one (the gate refused). */
  const untilStarted = async (before: number): Promise<UnitResult> => {
    const end = clock.now() + START_LIMIT;
    while (clock.now() < end) {
      const state = await show('server');
      if (halts !== before) return failed('stopped while it was starting');
      if (state.pid > 0) {
        follow(state.pid);
        return done;
      }
      if (!state.job && state.active !== 'activating') {
        const gate = state.result === 'exec-condition' ? ': the gate is shut' : '';
        return failed(`k3s.service did not start (${state.active}, ${state.result})${gate}`);
      }
      await new Promise<void>((resolve) => clock.in(START_STEP, resolve));
    }
    return failed(`k3s.service has no process after ${START_LIMIT} ms`);
  };

  /** `before`: how many fences had come when the start was ordered. */
  const startServer = async (before: number): Promise<UnitResult> => {
    if (halts !== before) return stayMasked();
    const unmasked = await call('unmask', '--runtime', services.server);
    if (!unmasked.ok) return unmasked;
    if (halts !== before) return stayMasked();
    const started = await call('start', '--no-block', services.server);
    if (!started.ok) return started;
    return untilStarted(before);
  };

  /** A fence came between the order and the start. */
  const stayMasked = async (): Promise<UnitResult> => {
    await mask('server');
    return failed('stopped while it was starting');
  };

  const stopAgent = async (): Promise<UnitResult> => {
    const stopped = await call('stop', services.agent);
    return stopped.ok ? mask('agent') : stopped;
  };

  /** Mask and stop through systemd, and beside it the kill of the process that is known. */
  const halt = async (grace: Duration): Promise<UnitResult> => {
    halts += 1;
    watching?.cancel();
    const masked = mask('server');
    const stopped = call('stop', '--no-block', services.server);
    const known = server ?? (await runningServer());
    if (known !== null) await endProcess(known, grace);
    const results = [await masked, await stopped];
    if (known !== null && !(await goneWithin(processes, clock, known, KILL_WAIT))) {
      return failed(`process ${known.pid} of k3s.service does not die of SIGKILL`);
    }
    // A start that slipped in before the mask has made another process.
    const late = await runningServer();
    if (late !== null) await endProcess(late, milliseconds(0));
    unwatch();
    return results.find((result) => !result.ok) ?? done;
  };

  const runningServer = async (): Promise<KnownProcess | null> => {
    const { pid } = await show('server');
    return pid > 0 ? knownProcess(processes, pid) : null;
  };

  const endProcess = async (known: KnownProcess, grace: Duration): Promise<void> => {
    if (await goneWithin(processes, clock, known, grace)) return;
    if (isAlive(processes, known)) processes.signal(known.pid, 'SIGKILL');
    await goneWithin(processes, clock, known, KILL_WAIT);
  };

  return {
    kind: 'systemd',
    async start(unit) {
      const before = halts;
      const shut = unit === 'server' ? await stopAgent() : await halt(milliseconds(0));
      if (!shut.ok) return shut;
      if (unit === 'server') return startServer(before);
      const unmasked = await call('unmask', '--runtime', services.agent);
      return unmasked.ok ? call('start', '--no-block', services.agent) : unmasked;
    },
    stop: (unit, grace) => (unit === 'server' ? halt(grace) : stopAgent()),
    fence: (grace) => halt(grace).catch((error: unknown) => failed(String(error))),
    async running(unit) {
      const { pid } = await show(unit);
      if (unit === 'server' && pid > 0) follow(pid);
      return pid > 0;
    },
    onServerExit(handler) {
      exitHandler = handler;
    },
    close: () => watching?.cancel(),
  };
}

/** `systemctl show` prints `Name=value` lines; what is missing counts as not there. */
function parseShow(text: string): UnitState {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) values.set(line.slice(0, at), line.slice(at + 1).trim());
  }
  const pid = Number(values.get('MainPID') ?? 0);
  return {
    pid: Number.isSafeInteger(pid) && pid > 1 ? pid : 0,
    active: values.get('ActiveState') ?? 'unknown',
    load: values.get('LoadState') ?? 'unknown',
    result: values.get('Result') ?? 'unknown',
    job: /^[1-9]/.test(values.get('Job') ?? ''),
  };
}
