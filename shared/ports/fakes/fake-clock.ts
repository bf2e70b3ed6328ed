/**
 * A clock that stands still until it is told to move; timers run in order of their due time, and
 * those due together in the order they were armed.
 *
 * The wall clock runs with it and can be stepped, as on a Pi that finds the network late. Does not
 * let promises run between timers: advance in steps where that matters.
 */
import { invariant } from '../../errors/baton-error.ts';
import {
  after,
  type Duration,
  type Instant,
  instant,
  milliseconds,
  type WallTime,
  wallTime,
} from '../../time/duration.ts';
import type { Clock } from '../clock.ts';

export interface FakeClock extends Clock {
  /** Runs everything due within `duration`, timers armed on the way included. */
  advance(duration: Duration): void;
  /** The same up to an instant; one in the past is our own bug. */
  advanceTo(until: Instant): void;
  /** Time passes and nothing runs, as in a frozen process; what is due runs at the next advance. */
  freeze(duration: Duration): void;
  /** Moves the wall clock alone, forward or back. */
  stepWall(duration: Duration): void;
  /** When the next timer is due, or null. */
  nextTimer(): Instant | null;
  /** Timers that are armed. */
  readonly pending: number;
}

interface Armed {
  readonly due: Instant;
  readonly action: () => void;
}

/** Defaults: an hour after boot, on 2026-01-01. */
export function fakeClock(start: { now?: Instant; wall?: WallTime } = {}): FakeClock {
  let now = start.now ?? instant(3_600_000);
  let wallOffset = (start.wall ?? wallTime(Date.UTC(2026, 0, 1))) - now;
  const armed = new Set<Armed>();

  // A Set keeps the order of arming, and `<` lets the earlier of two equals win.
  const earliest = (): Armed | null => {
    let first: Armed | null = null;
    for (const timer of armed) if (first === null || timer.due < first.due) first = timer;
    return first;
  };
  const at: Clock['at'] = (due, action) => {
    const timer = { due, action };
    armed.add(timer);
    return { cancel: () => void armed.delete(timer) };
  };
  const advanceTo = (until: Instant): void => {
    invariant(until >= now, 'a fake clock never goes back', { now, until });
    for (let next = earliest(); next !== null && next.due <= until; next = earliest()) {
      armed.delete(next);
      now = instant(Math.max(now, next.due));
      next.action();
    }
    now = instant(Math.max(now, until));
  };
  return {
    now: () => now,
    // An offset of its own, so that a mix-up with `now` shows.
    monotonicMilliseconds: () => now + 0.5,
    wall: () => wallTime(now + wallOffset),
    at,
    in: (delay, action) => at(after(now, milliseconds(Math.max(0, delay))), action),
    advance: (duration) => advanceTo(after(now, duration)),
    advanceTo,
    freeze: (duration) => {
      now = after(now, duration);
    },
    stepWall: (duration) => {
      wallOffset += duration;
    },
    nextTimer: () => earliest()?.due ?? null,
    get pending() {
      return armed.size;
    },
  };
}
