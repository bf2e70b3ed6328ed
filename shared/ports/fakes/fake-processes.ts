/**
 * Programs that exist only in a test: each is a function from its arguments to a result.
 *
 * A program nobody installed cannot be started, as in life. Time plays no part: a program that
 * hangs has timed out at once. Behaves like shared/adapters/system-processes.ts where
 * test/contract/processes.test.ts looks.
 */
import { BatonError } from '../../errors/baton-error.ts';
import type { Processes, ProcessResult, RunningProcess, StartOptions } from '../processes.ts';

/** One call as it was made; `run` has `input`, `start` has `options`. */
export interface ProcessCall {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly input: string;
}

/** What a program does when run: part of a result (code 0, no output), or it never ends. */
export type Program = (call: ProcessCall) => Partial<ProcessResult> | 'hangs';

/** A started program in the hands of the test. */
export interface FakeProcess extends RunningProcess {
  readonly call: ProcessCall;
  readonly options: StartOptions;
  readonly lines: readonly string[];
  readonly signals: readonly ('SIGTERM' | 'SIGKILL')[];
  /** While true, SIGTERM is noted and changes nothing. */
  stubborn: boolean;
  /** The program ends by itself. */
  end(code: number): void;
}

export interface FakeProcesses extends Processes {
  /** Makes `command` available; later calls replace it. */
  install(command: string, program?: Program): void;
  readonly calls: readonly ProcessCall[];
  readonly started: readonly FakeProcess[];
}

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

function fakeProcess(pid: number, call: ProcessCall, options: StartOptions) {
  const lines: string[] = [];
  const signals: ('SIGTERM' | 'SIGKILL')[] = [];
  let ended: Ended | null = null;
  let tell: (how: Ended) => void = () => undefined;
  const exited = new Promise<Ended>((resolve) => {
    tell = resolve;
  });
  const finish = (how: Ended): void => {
    ended ??= how;
    tell(ended);
  };
  const process: FakeProcess = {
    pid,
    call,
    options,
    lines,
    signals,
    exited,
    stubborn: false,
    write: (line) => {
      if (ended !== null || options.detached === true) return false;
      lines.push(line);
      return true;
    },
    kill: (signal) => {
      if (ended !== null) return;
      signals.push(signal);
      if (signal === 'SIGKILL' || !process.stubborn) finish({ code: null, signal });
    },
    end: (code) => finish({ code, signal: null }),
  };
  return { process, isAlive: () => ended === null };
}

export function fakeProcesses(): FakeProcesses {
  const programs = new Map<string, Program>();
  const calls: ProcessCall[] = [];
  const started: ReturnType<typeof fakeProcess>[] = [];

  const find = (call: ProcessCall): Program => {
    calls.push(call);
    const program = programs.get(call.command);
    if (program !== undefined) return program;
    const context = { command: call.command, errno: 'ENOENT' };
    const words = `cannot start ${call.command}: no such program was installed in this test`;
    throw new BatonError('process-failed', 'operational', words, { context });
  };
  const alive = (pid: number) =>
    started.find(({ process, isAlive }) => process.pid === pid && isAlive()) ?? null;

  return {
    install: (command, program = () => ({})) => void programs.set(command, program),
    calls,
    get started() {
      return started.map(({ process }) => process);
    },
    run: async (command, args, options) => {
      const { environment = {}, input = '' } = options;
      const call = { command, args, environment: { LC_ALL: 'C', ...environment }, input };
      const outcome = find(call)(call);
      const nothing = { signal: null, stdout: '', stderr: '', timedOut: false };
      return outcome === 'hangs'
        ? { ...nothing, code: null, signal: 'SIGKILL', timedOut: true }
        : { ...nothing, code: 0, ...outcome };
    },
    start: (command, args, options) => {
      const environment = { LC_ALL: 'C', ...options.environment };
      const call = { command, args, environment, input: '' };
      find(call);
      const entry = fakeProcess(1000 + started.length, call, options);
      started.push(entry);
      return entry.process;
    },
    signal: (pid, signal) => {
      const found = alive(pid);
      if (found !== null && signal !== 'probe') found.process.kill(signal);
      return found !== null;
    },
    startTicks: (pid) => (alive(pid) === null ? null : `${pid}00`),
  };
}
