/**
 * Watches a process that need not be a child of this one: the server of an earlier life of baton.
 *
 * A pid alone is not enough, for the kernel uses it again; the start time beside it makes it one
 * process for good (proc(5), field 22 of /proc/PID/stat; null on systems without /proc, where the
 * pid alone must do).
 */
import type { Clock, TimerHandle } from '../../shared/ports/clock.ts';
import type { Processes } from '../../shared/ports/processes.ts';
import { milliseconds, seconds } from '../../shared/time/duration.ts';

export interface KnownProcess {
  readonly pid: number;
  readonly startTicks: string | null;
}

/** How often a living server is looked at: an exit is noticed within this time. */
const PERIOD = seconds(1);
/** How often while somebody waits for its end. */
const WAIT_STEP = milliseconds(20);

export const knownProcess = (processes: Processes, pid: number): KnownProcess => ({
  pid,
  startTicks: processes.startTicks(pid),
});

export const isAlive = (processes: Processes, known: KnownProcess): boolean =>
  processes.signal(known.pid, 'probe') && processes.startTicks(known.pid) === known.startTicks;

/** Calls `ended` once when the process is gone; the answer cancels. */
export function watchProcess(
  processes: Processes,
  clock: Clock,
  known: KnownProcess,
  ended: () => void,
): { cancel(): void } {
  let timer: TimerHandle;
  const look = () => {
    if (isAlive(processes, known)) timer = clock.in(PERIOD, look);
    else ended();
  };
  timer = clock.in(PERIOD, look);
  return { cancel: () => timer.cancel() };
}

/** True when the process is gone within `bound` milliseconds. */
export async function goneWithin(
  processes: Processes,
  clock: Clock,
  known: KnownProcess,
  bound: number,
): Promise<boolean> {
  const end = clock.now() + bound;
  while (isAlive(processes, known)) {
    if (clock.now() >= end) return false;
    await new Promise<void>((resolve) => clock.in(WAIT_STEP, resolve));
  }
  return true;
}
