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
import { arm, type Turn, update, updateDisk, updateRun } from '../turn.ts';
import type { CoreConfig, DiskRecord } from '../types.ts';

/** A voter's timer: never earlier than `duration` after `now`, whatever the clock's step hides. */
export const voterTimer = (
  now: Instant,
  duration: Duration | number,
  config: CoreConfig,
): Instant => instant(Math.ceil(now + duration + config.clockResolution));

/** The holder's self-fence deadline for a round sent at `sentAt` (L7). */
export const fenceDeadline = (sentAt: Instant, config: CoreConfig): Instant =>
  instant(Math.floor(sentAt + config.fenceAfter - config.clockResolution));

/** Settings may have made the lease shorter since this voter granted its last one. */
export const silenceFrom = (start: Instant, disk: DiskRecord | null, config: CoreConfig): Instant =>
  voterTimer(start, Math.max(config.leaseDuration, disk?.longest_lease_ms ?? 0), config);

/** A lease is about to be granted: its length is on disk before the answer. */
export function rememberLease(turn: Turn, duration: number): void {
  const { disk } = turn.state;
  const longest = Math.ceil(duration);
  if (disk === null || (disk.longest_lease_ms ?? 0) >= longest) return;
  updateDisk(turn, { ...disk, longest_lease_ms: longest });
}

/** The silence is over: every lease of an earlier boot has run out, and L6 bounds those of this. */
export function forgetLongerLeases(turn: Turn): void {
  const { disk } = turn.state;
  const longest = turn.config.leaseDuration;
  if (disk === null || (disk.longest_lease_ms ?? 0) <= longest) return;
  updateDisk(turn, { ...disk, longest_lease_ms: longest });
}

/**
 * What a reboot does to a voter: nothing is promised or accepted, under another start, and it is
 * silent. Never while this node holds or asks.
 */
export function startAnew(turn: Turn): void {
  const { state, now, config } = turn;
  const silent = silenceFrom(now, state.disk, config);
  update(turn, { nonce: nextNonce(state.nonce), lastProposed: now });
  updateRun(turn, { promised: null, accepted: null, silent_until: silent });
  arm(turn, 'silence', silent);
}

/** Random in all but the last 32 bits. */
const nextNonce = (nonce: string): string => {
  const last = Number.parseInt(nonce.slice(-8), 16) || 0;
  return nonce.slice(0, -8) + ((last + 1) % 2 ** 32).toString(16).padStart(8, '0');
};

export const isSilent = (state: CoreState, now: Instant): boolean => now < state.run.silent_until;
