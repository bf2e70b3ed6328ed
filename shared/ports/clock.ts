/**
 * The port for time. Everything outside `adapters/` sees clocks and timers only through this.
 *
 * Real adapter: shared/adapters/system-clock.ts. Fake: shared/ports/fakes/fake-clock.ts.
 */
import type { Duration, Instant, WallTime } from '../time/duration.ts';

/** A timer that was armed. */
export interface TimerHandle {
  /** Disarms it; harmless when it has fired or was cancelled before. */
  cancel(): void;
}

export interface Clock {
  /** Boot clock, milliseconds. On Linux /proc/uptime (CLOCK_BOOTTIME), 10 ms steps. */
  now(): Instant;
  /** Fine monotonic reading for measurements only (lag, figures); not comparable with `now`. */
  monotonicMilliseconds(): number;
  /** Wall clock; may be years wrong on a Pi without a network. */
  wall(): WallTime;
  /** Runs `action` once, not before `at`. */
  at(at: Instant, action: () => void): TimerHandle;
  /** Runs `action` once after `delay`. */
  in(delay: Duration, action: () => void): TimerHandle;
}
