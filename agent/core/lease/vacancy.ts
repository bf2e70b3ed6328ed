/**
 * When a node asks for the lease: rank, backoff, and the two waits of L14 (yielding to a better
 * replica, waiting for the last owner at a cold start), each once per vacancy.
 *
 * Both waits are kept in /run and end with the vacancy, that is when a master is seen or this node
 * wins, the yielding also when a voter tells of a tenure that this node missed; a failed attempt,
 * its own or another's, never begins them anew. No random numbers: the spread between nodes comes
 * from their place in the configuration.
 */
import type { NodeName } from '../../../shared/protocol/lease-messages.ts';
import { after, type Instant, instant } from '../../../shared/time/duration.ts';
import { ownRank } from '../ranking.ts';
import type { CoreState, Leader } from '../state.ts';
import { arm, type Turn, update, updateRun } from '../turn.ts';
import type { CoreConfig } from '../types.ts';
import { eligibleNodes, isEligible } from './roles.ts';
import { silenceFrom } from './silence.ts';

const never = instant(0);
const noYielding = { yield_until: never, yield_epoch: 0, yield_known: 0 };

/**
 * Cold start: this node has just booted, another node was the last owner, and no master has been
 * seen since (L14).
 */
export function coldWaiting(state: CoreState, now: Instant, config: CoreConfig): boolean {
  const owner = state.disk?.epoch_owner ?? null;
  return owner !== null && owner !== config.node && now < state.run.cold_until;
}

/**
 * The last owner is there. It may have booted just now: once its silence is over it stands for
 * election itself or has nothing to stand with, and nobody waits longer than that.
 */
export function hearOwner(turn: Turn, from: NodeName): void {
  const { state, now, config } = turn;
  if (state.disk?.epoch_owner !== from || !coldWaiting(state, now, config)) return;
  const until = after(silenceFrom(now, state.disk, config), config.yieldWait);
  if (until >= state.run.cold_until) return;
  updateRun(turn, { cold_until: until });
  scheduleAttempt(turn);
}

/** Somebody else's lease that this node's own voter has accepted and that still runs. */
export function foreignLock(state: CoreState, now: Instant, config: CoreConfig): Instant | null {
  const { accepted } = state.run;
  if (accepted === null || accepted.owner === config.node || now >= accepted.until) return null;
  return accepted.until;
}

/** Another node that said last that it is the master, however long ago. */
export function otherMaster({ leader }: CoreState, config: CoreConfig): Leader | null {
  if (leader === null || leader.master === config.node) return null;
  return leader.stage === 'stopped' ? null : leader;
}

/** May this node ask at all, at some time? */
export const mayAsk = (state: CoreState, config: CoreConfig): boolean =>
  isEligible(config, config.node) &&
  state.disk !== null &&
  state.run.held === null &&
  !state.stopping &&
  !state.run.left;

/** The earliest moment at which nothing stands against an attempt; `now` when it may begin. */
export function earliestAttempt(state: CoreState, now: Instant, config: CoreConfig): Instant {
  let at: number = Math.max(now, state.run.silent_until, state.run.sit_out_until);
  at = Math.max(at, state.patience.until);
  at = Math.max(at, foreignLock(state, now, config) ?? 0);
  const leader = otherMaster(state, config);
  // A master announces at each granted renewal, so its lease runs for at most this long.
  if (leader !== null) at = Math.max(at, leader.heardAt + config.fenceAfter);
  if (state.run.yield_until > now) at = Math.max(at, state.run.yield_until);
  if (coldWaiting(state, now, config)) at = Math.max(at, state.run.cold_until);
  return instant(at);
}

/**
 * Deterministic spread: the best receiver first, then growing gaps that differ between nodes, so
 * that two candidates that keep meeting part.
 */
export function backoff(state: CoreState, config: CoreConfig): number {
  const order = eligibleNodes(config);
  const share = (order.indexOf(config.node) + 1) / Math.max(1, order.length);
  const growth = 2 ** Math.min(state.attempts, 4) - 1;
  return config.candidateStagger * (ownRank(state, config) + growth * share);
}

/** Arms the timer for the next attempt, `extra` milliseconds later than otherwise. */
export function scheduleAttempt(turn: Turn, extra = 0): void {
  const { state, now, config } = turn;
  if (!mayAsk(state, config)) return;
  const at = earliestAttempt(state, now, config) + backoff(state, config) + extra;
  arm(turn, 'candidate', instant(Math.ceil(at)));
}

/** A master is there: the waits of this vacancy are over, and the next vacancy has its own. */
export function endVacancy(turn: Turn): void {
  const { run, attempts } = turn.state;
  const waited = coldWaiting(turn.state, turn.now, turn.config);
  if (run.cold_until !== 0 || run.yield_until !== 0) {
    updateRun(turn, { cold_until: never, ...noYielding });
  }
  if (attempts !== 0) update(turn, { attempts: 0 });
  // What is armed now is the end of that wait, minutes away.
  if (waited) scheduleAttempt(turn);
}

/**
 * Whether this vacancy's yielding is used up for a replica of that lineage epoch. One of a newer
 * epoch proves a tenure that this node missed: the vacancy is another one.
 */
export const hasYielded = ({ run }: CoreState, lineageEpoch: number): boolean =>
  run.yield_until !== 0 && lineageEpoch <= run.yield_epoch;

/** A tenure that came after this node had yielded ended that vacancy, seen here or not (L14). */
export function hearOfTenure(turn: Turn, epoch: number): void {
  if (epoch > turn.state.newestTenure) update(turn, { newestTenure: epoch });
  const { yield_until, yield_known } = turn.state.run;
  if (yield_until === 0 || epoch <= yield_known) return;
  updateRun(turn, { ...noYielding, yield_known: epoch });
}

/**
 * L14: leaves it to a better, reachable receiver with a last row of `lineageEpoch`; false when it
 * has done so before.
 */
export function yieldOnce(turn: Turn, lineageEpoch: number): boolean {
  const { newestTenure, run } = turn.state;
  if (hasYielded(turn.state, lineageEpoch)) return false;
  const known = Math.max(run.yield_known, newestTenure);
  const until = instant(Math.ceil(turn.now + turn.config.yieldWait));
  updateRun(turn, { yield_until: until, yield_epoch: lineageEpoch, yield_known: known });
  return true;
}
