/**
 * Wall-clock time as the core needs it: for the certificates of k3s, never for the lease.
 *
 * No server is started on a clock earlier than the newest time the cluster has seen; the shell
 * steps the clock forward, the core says so. The time is derived from the boot clock and the
 * offset at the last reading, so that `decide` stays a function of its arguments. A reading that
 * nobody vouches for (not synchronised) moves nothing.
 */
import type { NodeName } from '../../../shared/protocol/lease-messages.ts';
import type { Instant } from '../../../shared/time/duration.ts';
import type { CoreState } from '../state.ts';
import { type Turn, update } from '../turn.ts';
import type { StartFacts } from '../types.ts';

export const ownWall = (state: CoreState, now: Instant): number =>
  Math.max(0, Math.floor(state.wallOffset + now));

/** Newest time known, own clock included when it is synchronised. */
export const newestWall = (state: CoreState, now: Instant): number =>
  Math.max(
    state.newestWall,
    state.disk?.newest_wall_ms ?? 0,
    state.wallSynchronised ? ownWall(state, now) : 0,
  );

/** The own clock, read anew. Every renewal and promise carries it from here on. */
export function readWall(turn: Turn, wall: StartFacts['wall']): void {
  update(turn, { wallOffset: wall.time - turn.now, wallSynchronised: wall.synchronised });
}

// A memory of the newest time needs no more than this precision, and no new object per message.
const stepMs = 60_000;

export function hearWall(turn: Turn, _from: NodeName, wallMs: number, synchronised: boolean): void {
  if (synchronised && wallMs > turn.state.newestWall + stepMs) {
    update(turn, { newestWall: wallMs });
  }
}
