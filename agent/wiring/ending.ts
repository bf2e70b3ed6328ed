/**
 * The orderly end: the core gives role and vote away and says so, or the time for it is over.
 *
 * What is not given away in time is left to the lease: it runs out by itself, and until then the
 * server stands under its guards. Nothing is waited for beyond a bound, for a machine that shuts
 * down kills what is late.
 */
import type { Clock } from '../../shared/ports/clock.ts';
import { milliseconds, seconds } from '../../shared/time/duration.ts';
import type { Parts } from './parts.ts';

/** The id under which the core tells that the node has left. */
export const LEFT = 'shutdown';
/**
 * A receiver that becomes able, the server's stop, and the last revisions to two receivers, one of
 * which may fail; systemd's TimeoutStopSec leaves more.
 */
export const MASTER_LEAVES = seconds(45);
/** A vote is given back within one round; with no master to take it, nobody is waited for. */
export const VOTER_LEAVES = seconds(4);
const LOOK = milliseconds(50);

export interface Departure {
  /** The core's reply `shutdown`. */
  left(text: string): void;
  /** Resolves with what was heard, or null at the bound; `master` is asked again and again. */
  wait(clock: Clock, master: () => boolean): Promise<string | null>;
}

export function departure(): Departure {
  let heard: string | null = null;
  return {
    left(text) {
      heard = text;
    },
    wait: (clock, master) =>
      new Promise((resolve) => {
        const began = clock.now();
        // Once the role is given away, only the vote is waited for.
        let released = began;
        const look = (): void => {
          const now = clock.now();
          if (master()) released = now;
          const late = now - began > MASTER_LEAVES || now - released > VOTER_LEAVES;
          if (heard !== null || late) resolve(heard);
          else clock.in(LOOK, look);
        };
        look();
      }),
  };
}

/** Everything up to the moment at which the agent may be closed. */
export async function leave(
  { place, machine, view }: Parts,
  departing: Departure,
  why: 'restart' | 'shutdown',
): Promise<void> {
  const { log, clock, post } = place;
  post({ kind: 'stopping', why });
  if (why === 'restart') return;
  const text = await departing.wait(clock, () => view().role === 'master');
  log.info({}, text ?? 'nobody took role or vote in time; the lease runs out by itself');
  await machine.steps.idle();
  await machine.fence.settled();
  // A server that still runs stays under its guard: the dead man's switch ends it.
  if (!(await machine.units.running('server'))) machine.disarm();
}
