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
  /** Whether the kernel itself shuts the data path at the fence (DESIGN section 3, point 4). */
  readonly dataPathGate: boolean;
}

/** A broken rule: its name and the sum in words. */
export interface BrokenRule {
  readonly rule: string;
  readonly sum: string;
}

/**
 * Killers that poll are late by their period. Where no kernel's timer stands behind them they get
 * one period more, so that one look that comes too late is no disaster.
 */
const killedBeforeGrant = (timing: Timing): BrokenRule | null => {
  const spare = timing.dataPathGate ? 0 : DEADMAN_PERIOD;
  const killed = timing.fenceAfter + DEADMAN_PERIOD + spare + KILL_TIME;
  const grant = timing.leaseDuration * (1 - timing.driftBound);
  if (killed < grant) return null;
  const sum =
    `fence_after_ms ${timing.fenceAfter} + dead man's period ${DEADMAN_PERIOD} + ` +
    (spare > 0 ? `once more without a data-path gate ${spare} + ` : '') +
    `kill ${KILL_TIME} = ${killed} must be below lease_duration_ms ${timing.leaseDuration} × ` +
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

/** What the core needs beyond the sum above for elections to come to rest. */
export interface ElectionTiming extends Timing {
  readonly answerTimeout: Duration;
  readonly candidateStagger: Duration;
  readonly clockResolution: Duration;
  readonly retireAfter: Duration;
}

const answersBeforeRenewal = (timing: ElectionTiming): BrokenRule | null => {
  if (timing.answerTimeout < timing.renewInterval) return null;
  const sum =
    `answer_timeout_ms ${timing.answerTimeout} must be below renew_interval_ms ` +
    `${timing.renewInterval}, or a round is given up after the next has begun`;
  return { rule: 'answers-before-renewal', sum };
};

const wonRoundIsWorthIt = (timing: ElectionTiming): BrokenRule | null => {
  const late = timing.answerTimeout + 2 * timing.clockResolution;
  if (late < timing.fenceAfter) return null;
  const sum =
    `answer_timeout_ms ${timing.answerTimeout} + 2 × clock step ${timing.clockResolution} = ` +
    `${late} must be below fence_after_ms ${timing.fenceAfter}, or a lease is over when it is won`;
  return { rule: 'won-round-is-worth-it', sum };
};

const staggerIsPositive = (timing: ElectionTiming): BrokenRule | null =>
  timing.candidateStagger > 0
    ? null
    : {
        rule: 'stagger-is-positive',
        sum: `candidate_stagger_ms ${timing.candidateStagger} must be above 0`,
      };

const retiresAfterSilence = (timing: ElectionTiming): BrokenRule | null => {
  const silence = 2 * timing.leaseDuration;
  if (timing.retireAfter > silence) return null;
  const sum =
    `retire_after_ms ${timing.retireAfter} must be above 2 × lease_duration_ms ` +
    `${timing.leaseDuration} = ${silence}, or a voter is retired during its silence`;
  return { rule: 'retires-after-silence', sum };
};

/** `brokenTimingRules` and the election's own; what a complete configuration is checked with. */
export const brokenElectionRules = (timing: ElectionTiming): readonly BrokenRule[] => [
  ...brokenTimingRules(timing),
  ...[answersBeforeRenewal, wonRoundIsWorthIt, staggerIsPositive, retiresAfterSilence]
    .map((rule) => rule(timing))
    .filter((broken) => broken !== null),
];
