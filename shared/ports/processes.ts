/**
 * The port for running other programs. No shell, `LC_ALL=C`, output capped, always a time limit.
 *
 * Real adapter: shared/adapters/system-processes.ts. Fake: shared/ports/fakes/fake-processes.ts.
 */
import type { Duration } from '../time/duration.ts';

/** How a finished program ended. `code` is null when a signal ended it. */
export interface ProcessResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** A long-lived child with a line-oriented input, such as `nft -i` or the k3s server. */
export interface RunningProcess {
  readonly pid: number;
  write(line: string): boolean;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
}

export interface StartOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly workingDirectory?: string;
  /** Appends stdout and stderr to this file; without it they are discarded. */
  readonly logFile?: string;
  /** Told each piece of stdout, or of stderr, instead; not with `logFile` or `detached`. */
  readonly onOutput?: (text: string) => void;
  readonly onErrors?: (text: string) => void;
  /** Own process group and session, outlives this process. */
  readonly detached?: boolean;
}

export interface Processes {
  run(
    command: string,
    args: readonly string[],
    options: { timeout: Duration; input?: string; environment?: Readonly<Record<string, string>> },
  ): Promise<ProcessResult>;
  start(command: string, args: readonly string[], options: StartOptions): RunningProcess;
  /** Sends a signal to a process that this one may not have started; false when it is gone. */
  signal(pid: number, signal: 'SIGTERM' | 'SIGKILL' | 'probe'): boolean;
  /** The kernel's start time of a pid (ticks since boot), or null when gone: guards pid reuse. */
  startTicks(pid: number): string | null;
}
