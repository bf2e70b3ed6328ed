/**
 * The real clock: boot clock, timers that are never early, wall clock.
 *
 * `now` is CLOCK_BOOTTIME through /proc/uptime (which `os.uptime` reads on Linux), the very file
 * that systemd/baton-deadman.sh judges by, in steps of 10 ms. Elsewhere (a Mac that runs the demo)
 * it is the monotonic clock, which stops while the machine sleeps.
 *
 * Timers may be late, by a busy loop or a sleeping machine; whoever acts on one reads `now` anew.
 */
import { uptime } from 'node:os';
import type { Clock, TimerHandle } from '../ports/clock.ts';
import { after, type Instant, instant, milliseconds, wallTime } from '../time/duration.ts';

/** Step of `now` on Linux: /proc/uptime has two decimals of a second. */
export const CLOCK_RESOLUTION = milliseconds(10);

// setTimeout fires at once beyond 2^31 - 1 ms; an hour is far below and re-reads the boot clock.
const LONGEST_SLEEP_MS = 3_600_000;

const hasBootClock = process.platform === 'linux';

const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6;

// Rounded: 12345.67 s × 1000 is 12345670.000000002 in binary floating point.
const bootTime = (): Instant =>
  instant(hasBootClock ? Math.round(uptime() * 1000) : Math.floor(monotonic()));

/** Each call gives an independent view of the same clock; there is no state. */
export function systemClock(): Clock {
  /** One reading of the boot clock a sleep: an idle agent does little else. */
  const sleepUntil = (due: Instant, began: Instant, action: () => void): TimerHandle => {
    let timer: NodeJS.Timeout;
    const sleep = (now: Instant): void => {
      const left = Math.min(Math.max(Math.ceil(due - now), 0), LONGEST_SLEEP_MS);
      timer = setTimeout(wake, left);
    };
    // Node fires up to 1 ms early, and its clock is not ours: what counts is the boot clock.
    const wake = (): void => {
      const now = bootTime();
      if (now < due) sleep(now);
      else action();
    };
    sleep(began);
    return { cancel: () => clearTimeout(timer) };
  };
  return {
    now: bootTime,
    monotonicMilliseconds: monotonic,
    wall: () => wallTime(Date.now()),
    at: (due, action) => sleepUntil(due, bootTime(), action),
    in: (delay, action) => {
      const now = bootTime();
      return sleepUntil(after(now, delay), now, action);
    },
  };
}
