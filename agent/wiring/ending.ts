/**
 * The orderly end: the core gives role and vote away and says so, or the time for it is over.
 *
 * What is not given away in time is left to the lease: it runs out by itself, and until then the
 * server stands under its guards. Nothing is waited for beyond a bound, for a machine that shuts
 * down kills what is late.
 */
import type { Clock, TimerHandle } from '../../shared/ports/clock.ts';
import { seconds } from '../../shared/time/duration.ts';
import type { Parts } from './parts.ts';

/** The id under which the core tells that the node has left. */
export const LEFT = 'shutdown';
/** A move with its last revisions; systemd's TimeoutStopSec leaves more. */
const MASTER_LEAVES = seconds(30);
/** A vote is given back within one round; with no master to take it, nobody is waited for. */
const VOTER_LEAVES = seconds(4);

export interface Departure {
  /** The core's reply `shutdown`. */
  left(text: string): void;
  /** Resolves with what was heard, or null at the bound. */
  wait(clock: Clock, master: boolean): Promise<string | null>;
}

export function departure(): Departure {
  let heard: string | null = null;
  let tell: (text: string | null) => void = () => {};
  return {
    left(text) {
      heard = text;
      tell(text);
    },
    wait(clock, master) {
      if (heard !== null) return Promise.resolve(heard);
      return new Promise((resolve) => {
        const bound = master ? MASTER_LEAVES : VOTER_LEAVES;
        const limit: TimerHandle = clock.in(bound, () => resolve(null));
        tell = (text) => {
          limit.cancel();
          resolve(text);
        };
      });
    },
  };
}

/** Everything up to the moment at which the agent may be closed. */
export async function leave(
  { place, machine, view }: Parts,
  departing: Departure,
  why: 'restart' | 'shutdown',
): Promise<void> {
  const { log, clock, post } = place;
  const master = view().role === 'master';
  post({ kind: 'stopping', why });
  if (why === 'restart') return;
  const text = await departing.wait(clock, master);
  log.info({}, text ?? 'nobody took role or vote in time; the lease runs out by itself');
  await machine.steps.idle();
  await machine.fence.settled();
  // A server that still runs stays under its guard: the dead man's switch ends it.
  if (!(await machine.units.running('server'))) machine.disarm();
}
