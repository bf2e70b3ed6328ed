/**
 * Tells systemd that a daemon is ready and alive (sd_notify(3), `Type=notify`, `WatchdogSec=`).
 *
 * Node has no datagram sockets on unix paths, so the words go through `systemd-notify`, a process
 * of a few milliseconds; the unit needs `NotifyAccess=all`. The watchdog is fed at half its time
 * from the event loop itself: a daemon whose loop hangs is restarted.
 *
 * Without NOTIFY_SOCKET (demo, tests, a terminal) nothing is sent.
 */
import type { Clock, TimerHandle } from '../ports/clock.ts';
import type { Processes } from '../ports/processes.ts';
import { type Duration, milliseconds, seconds } from '../time/duration.ts';

export interface ServiceNotify {
  /** Once it serves, and feeds the watchdog from then on; nothing after `stopping`. */
  ready(): void;
  stopping(): void;
  close(): void;
}

const CALL_LIMIT = seconds(5);

export function serviceNotify(
  ports: { readonly processes: Processes; readonly clock: Clock },
  environment: Readonly<Record<string, string | undefined>>,
): ServiceNotify {
  const { processes, clock } = ports;
  const wanted = environment.NOTIFY_SOCKET !== undefined;
  const period = watchdogPeriod(environment.WATCHDOG_USEC);
  let timer: TimerHandle | null = null;
  let ending = false;

  const say = (...words: string[]): void => {
    if (!wanted) return;
    // A word that is lost is not lost for good: the watchdog says the next one.
    processes.run('systemd-notify', words, { timeout: CALL_LIMIT }).catch(() => undefined);
  };
  const feed = (): void => {
    if (period === null) return;
    say('WATCHDOG=1');
    timer = clock.in(period, feed);
  };

  return {
    ready() {
      if (ending) return;
      say('--ready');
      if (wanted) feed();
    },
    stopping() {
      ending = true;
      say('STOPPING=1');
    },
    close: () => timer?.cancel(),
  };
}

/** Half of WATCHDOG_USEC, as sd_watchdog_enabled(3) recommends; null when there is none. */
function watchdogPeriod(microseconds: string | undefined): Duration | null {
  const value = Number(microseconds);
  if (!Number.isSafeInteger(value) || value <= 0) return null;
  return milliseconds(Math.max(1000, value / 2000));
}
