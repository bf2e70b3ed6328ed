/**
 * Steps this machine's wall clock forward, never back.
 *
 * k3s checks and makes certificates by the wall clock. A Pi without a battery-backed clock can be
 * days behind until the network is there; the newest time that the cluster has shown is a better
 * guess, and it is said when it is used. Needs the right to set the clock (root, CAP_SYS_TIME).
 * Source: DESIGN section 2 ("the clock"), date(1).
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Processes } from '../../shared/ports/processes.ts';
import { seconds, type WallTime } from '../../shared/time/duration.ts';

/** Two synchronised clocks differ by less; no certificate cares. */
const SLACK_MS = 1000;
const CALL_LIMIT = seconds(5);

/** Null when the clock is at or after `wall`; otherwise why it could not be stepped. */
export function wallClockStep(
  ports: { readonly processes: Processes; readonly clock: Clock },
  stepped: (sentence: string) => void,
): (wall: WallTime) => Promise<string | null> {
  const { processes, clock } = ports;
  return async (wall) => {
    const behind = wall - clock.wall();
    if (behind <= SLACK_MS) return null;
    const target = new Date(wall).toISOString();
    try {
      const result = await processes.run('date', ['--utc', `--set=${target}`], {
        timeout: CALL_LIMIT,
      });
      if (result.code !== 0) return failure(behind, result.stderr.trim());
    } catch (error) {
      if (!isBatonError(error)) throw error;
      return failure(behind, error.message);
    }
    stepped(`the wall clock was ${Math.round(behind / 1000)} s behind; stepped to ${target}`);
    return null;
  };
}

const failure = (behind: number, why: string): string =>
  `the wall clock is ${Math.round(behind / 1000)} s behind what the cluster has seen, and could ` +
  `not be stepped (${why}): certificates would not be valid - set the clock, or let it synchronise`;
