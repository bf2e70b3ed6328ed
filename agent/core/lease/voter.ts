/**
 * The voter: what a node promises and accepts, for others and for its own candidacy alike.
 *
 * Rules L2, L3, L6, L8. Nothing here sends: the answer is returned, so that a candidate counts its
 * own voter by the same path as any other (L7). What an answer depends on is in the state when it
 * is returned, and `finish` writes it before anything is sent.
 * L15: `from` was proved by the codec's MAC; here only names that contradict it are refused.
 */
import type {
  Accept,
  Ballot,
  MemberList,
  NodeName,
  Prepare,
  PromiseMessage,
  Propose,
  Refuse,
  Release,
} from '../../../shared/protocol/lease-messages.ts';
import type { AcceptedSlot, CoreState } from '../state.ts';
import { type Turn, update, updateDisk, updateRun } from '../turn.ts';
import { areSameBallot, compareBallots, isSameBallot } from './ballot.ts';
import { compareLists, newerList } from './member-list.ts';
import { hearOwnAsTold, hearPositions, knownPositions, ownPosition } from './positions.ts';
import { isEligible, isVoter } from './roles.ts';
import { isSilent, rememberLease, startAnew, voterTimer } from './silence.ts';
import { newestWall, ownWall } from './wall.ts';

/** Why this node votes for nobody right now; null when it may vote. */
function muteReason(turn: Turn): { text: string; retryAfter: number } | null {
  const { state, now, config } = turn;
  if (!isVoter(config, config.node)) return { text: 'not a voter', retryAfter: 0 };
  // L2: no grant before the silence is over.
  if (isSilent(state, now)) {
    return { text: 'silent after its start', retryAfter: state.run.silent_until - now };
  }
  // L9: a voter without a record has to learn first.
  if (state.disk === null) return { text: 'has not learned the record yet', retryAfter: 0 };
  return null;
}

function refuse(
  turn: Turn,
  ballot: Ballot,
  round: number | null,
  reason: string,
  retryAfter = 0,
): Refuse {
  const { config, state, now } = turn;
  const { disk, run } = state;
  return {
    kind: 'refuse',
    ballot,
    round,
    promised_counter: run.promised?.counter ?? 0,
    highest_epoch: disk?.highest_epoch ?? 0,
    epoch_owner: disk?.epoch_owner ?? null,
    list: disk?.list ?? null,
    retry_after_ms: Math.max(0, Math.ceil(retryAfter)),
    position: isEligible(config, config.node) ? ownPosition(state, now, config) : null,
    reason,
  };
}

const runs = (slot: AcceptedSlot | null, turn: Turn): slot is AcceptedSlot =>
  slot !== null && turn.now < slot.until;

/** L3. */
export function answerPrepare(
  turn: Turn,
  from: NodeName,
  message: Prepare,
): PromiseMessage | Refuse {
  const { ballot } = message;
  const mute = muteReason(turn);
  if (mute !== null) return refuse(turn, ballot, null, mute.text, mute.retryAfter);
  if (ballot.node !== from || !isEligible(turn.config, from)) {
    return refuse(turn, ballot, null, 'not this sender’s ballot');
  }
  if (message.position.node === from) hearPositions(turn, from, [message.position]);
  const { accepted, promised } = turn.state.run;
  // L3: while a lease runs, other owners' Prepares change nothing.
  if (runs(accepted, turn) && accepted.owner !== from) {
    return refuse(turn, ballot, null, 'a lease is running', accepted.until - turn.now);
  }
  // L3: to a higher ballot only. The same one is answered again, for the first answer may be lost:
  // it promises nothing new, and what it tells is as of now.
  const order = promised === null ? 1 : compareBallots(ballot, promised);
  if (order < 0) {
    if (isKeptOut(turn, from)) startAnew(turn);
    return refuse(turn, ballot, null, 'promised a higher ballot');
  }
  if (order > 0) updateRun(turn, { promised: ballot });
  return promise(turn, ballot);
}

/**
 * The master that it follows has long had no vote of it: whoever was promised more is gone, and its
 * Release was lost. Nothing but a new start may forget a promise (L6).
 */
function isKeptOut({ state, now, config }: Turn, from: NodeName): boolean {
  const { leader, attempt, run, lastProposed } = state;
  if (leader === null || leader.master !== from || leader.stage === 'stopped') return false;
  if (attempt !== null || run.held !== null) return false;
  return now - lastProposed > 2 * config.leaseDuration;
}

function promise(turn: Turn, ballot: Ballot): PromiseMessage {
  const { state, now, config } = turn;
  const { accepted } = state.run;
  const disk = knownDisk(state);
  return {
    kind: 'promise',
    ballot,
    nonce: state.nonce,
    accepted: runs(accepted, turn)
      ? {
          ballot: accepted.ballot,
          owner: accepted.owner,
          epoch: accepted.epoch,
          remaining_ms: accepted.until - now,
        }
      : null,
    highest_epoch: disk.highest_epoch,
    epoch_owner: disk.epoch_owner,
    list: disk.list,
    newest_tenure: state.newestTenure,
    positions: knownPositions(state, now, config),
    wall_ms: ownWall(state, now),
    wall_synchronised: state.wallSynchronised,
  };
}

const noList: MemberList = { epoch: 0, number: 0, members: [], previous: [], committed: true };
const knownDisk = (state: CoreState) =>
  state.disk ?? { highest_epoch: 0, epoch_owner: null, list: noList };

/** L6. */
export function answerPropose(turn: Turn, from: NodeName, message: Propose): Accept | Refuse {
  const refused = refusedPropose(turn, from, message);
  if (refused !== null) {
    return refuse(turn, message.ballot, message.round, refused.text, refused.retryAfter);
  }
  hearPositions(turn, from, message.positions);
  hearOwnAsTold(turn, from, message.positions);
  recordEpoch(turn, message.epoch, message.owner, message.list);
  rememberLease(turn, message.duration_ms);
  // L6: the voter's timer starts now, when it accepts, rounded up.
  const until = voterTimer(turn.now, message.duration_ms, turn.config);
  const { ballot, owner, epoch } = message;
  updateRun(turn, { accepted: { ballot, owner, epoch, until } });
  if (from !== turn.config.node) update(turn, { lastProposed: turn.now });
  const { config, state } = turn;
  return {
    kind: 'accept',
    ballot,
    round: message.round,
    nonce: state.nonce,
    position: isEligible(config, config.node) ? ownPosition(state, turn.now, config) : null,
    list: knownDisk(state).list,
  };
}

function refusedPropose(
  turn: Turn,
  from: NodeName,
  message: Propose,
): { text: string; retryAfter: number } | null {
  const mute = muteReason(turn);
  if (mute !== null) return mute;
  const no = (text: string) => ({ text, retryAfter: 0 });
  const { state, config } = turn;
  if (message.owner !== from || message.ballot.node !== from || !isEligible(config, from)) {
    return no('not this sender’s proposal');
  }
  // L6: the exact ballot promised since the present start ("at least as high" made two masters).
  if (!areSameBallot(state.run.promised, message.ballot)) return no('not the promised ballot');
  // L6: the nonce that was counted is this start's.
  if (message.nonces[config.node] !== state.nonce) return no('counted an earlier start');
  const { highest_epoch, epoch_owner, list } = knownDisk(state);
  // L6, L10: a majority of an older list need not share a voter with that of a newer one.
  if (compareLists(message.list, list) < 0) return no('a newer list of voters is known');
  if (message.epoch < highest_epoch) return no('a higher epoch is known');
  if (message.epoch === highest_epoch && epoch_owner !== message.owner) {
    return no('this epoch has another owner');
  }
  // L2 counts on no lease being longer than this node's own maximum.
  if (message.duration_ms > config.leaseDuration) return no('longer than the maximum lease');
  return null;
}

/** A higher epoch, its owner, or a newer list is on disk before the answer (L6, L10). */
export function recordEpoch(turn: Turn, epoch: number, owner: NodeName, list: MemberList): void {
  const { disk } = turn.state;
  if (disk !== null && epoch < disk.highest_epoch) return;
  const newest = disk === null ? list : newerList(list, disk.list);
  const sameEpoch = epoch === disk?.highest_epoch && owner === disk.epoch_owner;
  if (sameEpoch && isSameList(newest, disk.list)) return;
  updateDisk(turn, {
    version: 1,
    highest_epoch: epoch,
    epoch_owner: owner,
    list: newest,
    newest_wall_ms: newestWall(turn.state, turn.now),
    ...(disk?.served === undefined ? {} : { served: disk.served }),
    ...(disk?.longest_lease_ms === undefined ? {} : { longest_lease_ms: disk.longest_lease_ms }),
  });
}

const isSameList = (a: MemberList, b: MemberList): boolean =>
  a.epoch === b.epoch && a.number === b.number && a.committed === b.committed;

/**
 * L4, L10: takes a list that is newer than its own; it is on disk before anything depends on it.
 */
export function adoptList(turn: Turn, list: MemberList): boolean {
  const { disk } = turn.state;
  if (disk === null || list.members.length === 0) return false;
  const newest = newerList(disk.list, list);
  if (newest === disk.list || isSameList(newest, disk.list)) return false;
  updateDisk(turn, { ...disk, list: newest });
  return true;
}

/**
 * L8: a Release ends only its own ballot, whose promise is dropped.
 * Says what it ended here: a lease that this node's voter had accepted, a mere promise, or nothing
 * (a repetition, or a ballot that this voter never helped).
 */
export function hearRelease(
  turn: Turn,
  from: NodeName,
  message: Release,
): 'lease' | 'promise' | null {
  const { ballot } = message;
  if (ballot.node !== from) return null;
  const { accepted, promised } = turn.state.run;
  const ended = accepted !== null && isSameBallot(accepted.ballot, ballot);
  const dropped = areSameBallot(promised, ballot);
  if (ended || dropped) {
    updateRun(turn, {
      accepted: ended ? null : accepted,
      promised: dropped ? null : promised,
    });
  }
  return ended ? 'lease' : dropped ? 'promise' : null;
}

/** Counters are taken above the highest seen, so that a candidate is not refused twice for it. */
export function seeCounter(turn: Turn, counter: number): void {
  if (counter > turn.state.seenCounter) update(turn, { seenCounter: counter });
}
