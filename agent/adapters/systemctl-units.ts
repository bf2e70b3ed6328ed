/**
 * The unit manager of machines: `systemctl` on k3s.service and k3s-agent.service.
 *
 * Traps this file is shaped by (systemctl(1), systemd.unit(5) "Unit File Load Path"):
 *  - `mask --runtime` writes below /run/systemd/system, which **loses** against a unit file in
 *    /etc/systemd/system. baton's image puts both units below /usr/lib; where k3s's own installer
 *    put them into /etc, the mask has no effect, and a start is refused with that sentence.
 *  - `systemctl start` waits for READY=1 and succeeds although ExecCondition refused; so the start
 *    is not waited for (`--no-block`) and the unit's own words are read until it has a process.
 *  - k3s.service comes after network-online.target, which takes a minute on a Pi that has just
 *    booted and misses one of its networks. Until then the job is queued and the unit `inactive`
 *    (seen on systemd 252); a stop, or a mask, takes the job back.
 *  - A unit that is masked while it runs or stops forgets its KillMode=process (seen on systemd
 *    252), and its end takes every pod of the node along: stop first, mask when that is over.
 *  - At a shutdown systemd stops the server only after this agent, which waits for the server: a
 *    stop that is queued and not begun is told to the process directly.
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
/** And how long its job may be queued before: a network that comes late, not one that hangs. */
const QUEUE_LIMIT = seconds(30);
const START_STEP = milliseconds(100);
const KILL_WAIT = milliseconds(2000);
/** A stop that systemd can begin has begun by then. */
const STOP_BEGINS = milliseconds(200);
/** And has ended, once the process is gone. */
const STOP_ENDS = seconds(1);
const STOP_STEP = milliseconds(50);

const failed = (detail: string): UnitResult => ({ ok: false, detail });
const done: UnitResult = { ok: true };

/** What `systemctl show` says of a unit. */
interface UnitState {
  readonly pid: number;
  readonly active: string;
  readonly load: string;
  readonly result: string;
  /** It has ended, and systemd starts it again after RestartSec. */
  readonly waits: boolean;
  /** A start or stop job is queued or running. */
  readonly job: boolean;
}

/** Its job waits for what the unit comes after. */
const isQueued = ({ job, active }: UnitState): boolean =>
  job && (active === 'inactive' || active === 'failed');

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

interface UnitPorts {
  readonly processes: Processes;
  readonly clock: Clock;
}

export function systemctlUnits(ports: UnitPorts, command = 'systemctl'): UnitManager {
  return new SystemctlUnits(ports, new Systemctl(ports.processes, command));
}

/** The sentences of `systemctl` that are needed. */
class Systemctl {
  readonly #call: Call;

  constructor(processes: Processes, command: string) {
    this.#call = caller(processes, command);
  }

  async show(unit: UnitName): Promise<UnitState> {
    const names = 'MainPID,ActiveState,SubState,LoadState,Result,Job';
    return parseShow((await this.#call('show', services[unit], `--property=${names}`)).stdout);
  }

  /**
   * Each mask makes systemd read every unit again, which takes seconds on a loaded machine: where
   * the unit was seen to be masked already (`load`), it is left at that.
   */
  async mask(unit: UnitName, load = ''): Promise<UnitResult> {
    if (load === 'masked') return done;
    const masked = await this.#call('mask', '--runtime', services[unit]);
    if (!masked.ok) return masked;
    if ((await this.show(unit)).load === 'masked') return done;
    return failed(
      `${services[unit]} cannot be masked: its unit file lies in /etc/systemd/system, which wins ` +
        'over a runtime mask - move the file to /usr/lib/systemd/system',
    );
  }

  unmask(unit: UnitName): Promise<UnitResult> {
    return this.#call('unmask', '--runtime', services[unit]);
  }

  /** Not waited for: it ends well although ExecCondition refused. */
  beginStart(unit: UnitName): Promise<UnitResult> {
    return this.#call('start', '--no-block', services[unit]);
  }

  beginStop(unit: UnitName): Promise<UnitResult> {
    return this.#call('stop', '--no-block', services[unit]);
  }

  stop(unit: UnitName): Promise<UnitResult> {
    return this.#call('stop', services[unit]);
  }
}

class SystemctlUnits implements UnitManager {
  readonly #processes: Processes;
  readonly #clock: Clock;
  readonly #systemctl: Systemctl;
  #exitHandler: (detail: string) => void = () => {};
  #server: KnownProcess | null = null;
  #watching: { cancel(): void } | null = null;
  /** Rises with each stop and fence: a start that began before must not start anything. */
  #halts = 0;

  constructor({ processes, clock }: UnitPorts, systemctl: Systemctl) {
    this.#processes = processes;
    this.#clock = clock;
    this.#systemctl = systemctl;
  }

  async start(unit: UnitName, signal?: AbortSignal): Promise<UnitResult> {
    const before = this.#halts;
    const shut = unit === 'server' ? await this.#shutAgent() : await this.#halt(milliseconds(0));
    if (!shut.ok) return shut;
    if (unit === 'server') return this.#startServer(before, signal);
    const unmasked = await this.#systemctl.unmask('agent');
    return unmasked.ok ? this.#systemctl.beginStart('agent') : unmasked;
  }

  stop(unit: UnitName, grace: Duration): Promise<UnitResult> {
    return unit === 'server' ? this.#halt(grace) : this.#shutAgent();
  }

  fence(grace: Duration): Promise<UnitResult> {
    return this.#halt(grace).catch((error: unknown) => failed(String(error)));
  }

  async running(unit: UnitName): Promise<boolean> {
    const { pid } = await this.#systemctl.show(unit);
    if (unit === 'server' && pid > 0) this.#follow(pid);
    return pid > 0;
  }

  onServerExit(handler: (detail: string) => void): void {
    this.#exitHandler = handler;
  }

  close(): void {
    this.#watching?.cancel();
  }

  /**
   * Often stopped and masked already, by an earlier step or tenure: then one question replaces a
   * stop and a mask with its reload, 50 to 100 ms each on a Pi.
   */
  async #shutAgent(): Promise<UnitResult> {
    const { pid, active, load, job } = await this.#systemctl.show('agent');
    const ended = pid === 0 && (active === 'inactive' || active === 'failed') && !job;
    if (ended && load === 'masked') return done;
    const stopped = await this.#systemctl.stop('agent');
    return stopped.ok ? this.#systemctl.mask('agent', load) : stopped;
  }

  /** `before`: how many fences had come when the start was ordered. */
  async #startServer(before: number, signal?: AbortSignal): Promise<UnitResult> {
    if (this.#halts !== before) return this.#stayMasked();
    const unmasked = await this.#systemctl.unmask('server');
    if (!unmasked.ok) return unmasked;
    if (this.#halts !== before) return this.#stayMasked();
    const started = await this.#systemctl.beginStart('server');
    if (!started.ok) return started;
    return this.#untilStarted(before, signal);
  }

  /** A fence came between the order and the start. */
  async #stayMasked(): Promise<UnitResult> {
    await this.#systemctl.mask('server');
    return failed('stopped while it was starting');
  }

  /** Until the server has a process, or systemd's job is over without one (the gate refused). */
  async #untilStarted(before: number, signal?: AbortSignal): Promise<UnitResult> {
    const clock = this.#clock;
    const began = clock.now();
    let end = began + START_LIMIT;
    while (clock.now() < end) {
      const state = await this.#systemctl.show('server');
      if (this.#halts !== before) return failed('stopped while it was starting');
      if (state.pid > 0) {
        this.#follow(state.pid);
        return done;
      }
      if (isQueued(state)) {
        if (signal?.aborted) return failed(String(signal.reason));
        end = Math.min(clock.now(), began + QUEUE_LIMIT) + START_LIMIT;
      }
      if (!state.job && state.waits) {
        return failed(`k3s.service ended as soon as it had started (${state.result})`);
      }
      if (!state.job && state.active !== 'activating') {
        const gate = state.result === 'exec-condition' ? ': the gate is shut' : '';
        return failed(`k3s.service did not start (${state.active}, ${state.result})${gate}`);
      }
      await new Promise<void>((resolve) => clock.in(START_STEP, resolve));
    }
    const waited = clock.now() - began;
    return failed(`k3s.service has no process after ${waited} ms - see systemctl list-jobs`);
  }

  /** Stop through systemd and beside it the end of the process that is known; then the mask. */
  async #halt(grace: Duration): Promise<UnitResult> {
    this.#halts += 1;
    this.#watching?.cancel();
    const stopped = this.#systemctl.beginStop('server');
    const known = this.#server ?? (await this.#runningServer());
    const told = known === null || grace === 0 ? null : this.#tellDirectly(known, stopped);
    if (known !== null) await this.#endProcess(known, grace);
    const results = [await stopped];
    await told;
    const gone = known === null || (await this.#goneWithin(known, KILL_WAIT));
    const load = gone ? await this.#untilEnded() : '';
    results.push(await this.#systemctl.mask('server', load));
    if (!gone) return failed(`process ${known.pid} of k3s.service does not die of SIGKILL`);
    // A start that slipped in before the mask has made another process.
    const late = await this.#runningServer();
    if (late !== null) await this.#endProcess(late, milliseconds(0));
    this.#unwatch();
    return results.find((result) => !result.ok) ?? done;
  }

  /**
   * Until systemd has finished with the unit; a while, because the mask must come in any case.
   * Returns whether it is masked already, as `systemctl show` words it.
   */
  async #untilEnded(): Promise<string> {
    const end = this.#clock.now() + STOP_ENDS;
    while (this.#clock.now() < end) {
      const { active, load } = await this.#systemctl.show('server');
      if (active === 'inactive' || active === 'failed') return load;
      await new Promise<void>((resolve) => this.#clock.in(STOP_STEP, resolve));
    }
    return '';
  }

  /** SIGTERM from here, unless systemd's came first: k3s takes a second one as "leave at once". */
  async #tellDirectly(known: KnownProcess, stopped: Promise<UnitResult>): Promise<void> {
    await stopped;
    await new Promise<void>((resolve) => this.#clock.in(STOP_BEGINS, resolve));
    const { pid, active } = await this.#systemctl.show('server');
    const begun = active !== 'active' && active !== 'activating';
    if (begun || pid !== known.pid || !isAlive(this.#processes, known)) return;
    this.#processes.signal(known.pid, 'SIGTERM');
  }

  async #runningServer(): Promise<KnownProcess | null> {
    const { pid } = await this.#systemctl.show('server');
    return pid > 0 ? knownProcess(this.#processes, pid) : null;
  }

  async #endProcess(known: KnownProcess, grace: Duration): Promise<void> {
    if (await this.#goneWithin(known, grace)) return;
    if (isAlive(this.#processes, known)) this.#processes.signal(known.pid, 'SIGKILL');
    await this.#goneWithin(known, KILL_WAIT);
  }

  #goneWithin(known: KnownProcess, limit: Duration): Promise<boolean> {
    return goneWithin(this.#processes, this.#clock, known, limit);
  }

  #follow(pid: number): void {
    const processes = this.#processes;
    const known = knownProcess(processes, pid);
    if (this.#server?.pid === pid && this.#server.startTicks === known.startTicks) return;
    this.#watching?.cancel();
    this.#server = known;
    this.#watching = watchProcess(processes, this.#clock, known, () => void this.#ended(known));
  }

  async #ended(known: KnownProcess): Promise<void> {
    if (this.#server !== known) return;
    this.#server = null;
    const { result } = await this.#systemctl.show('server');
    this.#exitHandler(`k3s.service lost its main process ${known.pid} (systemd says: ${result})`);
  }

  #unwatch(): void {
    this.#watching?.cancel();
    this.#watching = null;
    this.#server = null;
  }
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
    waits: values.get('SubState') === 'auto-restart',
    job: /^[1-9]/.test(values.get('Job') ?? ''),
  };
}
