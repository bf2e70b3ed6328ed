/**
 * Runs an action at most once per period: at once after a quiet time, and once more at the end of
 * the period when it was asked for meanwhile, so that the last word is never lost.
 */
import type { Clock, TimerHandle } from '../../shared/ports/clock.ts';
import type { Duration } from '../../shared/time/duration.ts';

export interface Throttle {
  (): void;
  cancel(): void;
}

export function throttled(clock: Clock, period: Duration, action: () => void): Throttle {
  let timer: TimerHandle | null = null;
  let wanted = false;
  const run = (): void => {
    wanted = false;
    timer = clock.in(period, () => {
      timer = null;
      if (wanted) run();
    });
    action();
  };
  const ask = (): void => {
    if (timer === null) run();
    else wanted = true;
  };
  const cancel = (): void => {
    timer?.cancel();
    timer = null;
    wanted = false;
  };
  return Object.assign(ask, { cancel });
}
