/**
 * L2: a node without its /run state answers no Prepare and no Propose for one maximum lease,
 * counted from its start, because it may have granted a lease that it no longer knows of.
 *
 * It may be a candidate meanwhile: asking promises nothing. The end is kept in /run, so that a
 * restart of the process goes on with the same silence instead of beginning or skipping it.
 * Voter timers are rounded up by the clock's step, the holder's deadline down (LEASE.md, timing).
 */
import { type Duration, type Instant, instant } from '../../../shared/time/duration.ts';
import type { CoreState } from '../state.ts';
import type { CoreConfig } from '../types.ts';

/** A voter's timer: never earlier than `duration` after `now`, whatever the clock's step hides. */
export const voterTimer = (
  now: Instant,
  duration: Duration | number,
  config: CoreConfig,
): Instant => instant(Math.ceil(now + duration + config.clockResolution));

/** The holder's self-fence deadline for a round sent at `sentAt` (L7). */
export const fenceDeadline = (sentAt: Instant, config: CoreConfig): Instant =>
  instant(Math.floor(sentAt + config.fenceAfter - config.clockResolution));

export const silenceFrom = (start: Instant, config: CoreConfig): Instant =>
  voterTimer(start, config.leaseDuration, config);

export const isSilent = (state: CoreState, now: Instant): boolean => now < state.run.silent_until;
