/**
 * The rules between timing settings that keep two servers apart, named, each with its sum.
 *
 * A configuration that breaks one is refused with the sum that fails; nothing is ever adjusted
 * silently. Source: DESIGN section 3 ("Sum, with the defaults"), LEASE.md L7.
 */
import type { Duration } from '../../../shared/time/duration.ts';
import { milliseconds } from '../../../shared/time/duration.ts';

/** The dead man's switch looks once in this time (systemd/baton-deadman.sh, `sleep 1`). */
export const DEADMAN_PERIOD = milliseconds(1000);
/** From SIGKILL to a server that answers nobody. */
export const KILL_TIME = milliseconds(500);

export interface Timing {
  readonly leaseDuration: Duration;
  readonly renewInterval: Duration;
  /** Self-fence deadline, from the moment the last granted renewal was sent. */
  readonly fenceAfter: Duration;
  /** Bound on the drift between two monotonic clocks, for example 0.01. */
  readonly driftBound: number;
}

/** A broken rule: its name and the sum in words. */
export interface BrokenRule {
  readonly rule: string;
  readonly sum: string;
}

const killedBeforeGrant = (timing: Timing): BrokenRule | null => {
  const killed = timing.fenceAfter + DEADMAN_PERIOD + KILL_TIME;
  const grant = timing.leaseDuration * (1 - timing.driftBound);
  if (killed < grant) return null;
  const sum =
    `fence_after_ms ${timing.fenceAfter} + dead man's period ${DEADMAN_PERIOD} + kill ` +
    `${KILL_TIME} = ${killed} must be below lease_duration_ms ${timing.leaseDuration} × ` +
    `${1 - timing.driftBound} = ${grant}`;
  return { rule: 'killed-before-grant', sum };
};

const missesOneRenewal = (timing: Timing): BrokenRule | null => {
  const two = timing.renewInterval * 2;
  if (two < timing.fenceAfter) return null;
  const sum =
    `renew_interval_ms ${timing.renewInterval} × 2 = ${two} must be below fence_after_ms ` +
    `${timing.fenceAfter}, or one lost renewal stops a healthy server`;
  return { rule: 'misses-one-renewal', sum };
};

const driftIsABound = (timing: Timing): BrokenRule | null =>
  timing.driftBound >= 0 && timing.driftBound < 0.5
    ? null
    : { rule: 'drift-is-a-bound', sum: `drift ${timing.driftBound} must be from 0 to below 0.5` };

/** Every broken rule, in a fixed order; empty when the timing is safe. */
export const brokenTimingRules = (timing: Timing): readonly BrokenRule[] =>
  [killedBeforeGrant, missesOneRenewal, driftIsABound]
    .map((rule) => rule(timing))
    .filter((broken) => broken !== null);
