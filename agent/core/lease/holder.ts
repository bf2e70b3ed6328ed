/**
 * The holder: winning, renewing, losing (L5, L7, L10, L13).
 *
 * The self-fence deadline counts from the moment the last granted round was sent; nothing else
 * moves it. Each granted round shows the gate its new deadline. What the role is used for stands in
 * core/promotion.ts.
 */
import type {
  Accept,
  NodeName,
  Prepare,
  PromiseMessage,
  Refuse,
} from '../../../shared/protocol/lease-messages.ts';
import { after } from '../../../shared/time/duration.ts';
import { announce } from '../follow.ts';
import { beginPromotion, handOverAtShutdown, isGateOpen } from '../promotion.ts';
import type { Attempt, CoreState, Held } from '../state.ts';
import { arm, disarm, explain, send, type Turn, update, updateDisk, updateRun } from '../turn.ts';

import { areSameBallot } from './ballot.ts';
import { loseRole } from './lapse.ts';
import { asked, compareLists } from './member-list.ts';
import { changeMembers, commitWhenKnown, forgetLeave } from './membership.ts';
import { hearPositions, holdsLastRevision, ownPosition } from './positions.ts';
import { countAccept, sendRound } from './rounds.ts';
import { fenceDeadline } from './silence.ts';
import { endVacancy } from './vacancy.ts';
import { recordEpoch, seeCounter } from './voter.ts';
import { hearWall } from './wall.ts';

/** L13: only a clean start on the very end of the last lineage goes without the raise. */
export function startsWithoutRaise(state: CoreState, attempt: Attempt): boolean {
  const { datastore } = state;
  const { highest } = attempt;
  if (datastore.source === 'server') return datastore.clean && datastore.lineageEpoch === highest;
  // A cluster that never had a master has lost nothing.
  if (highest === 0) return datastore.revision === 0;
  return holdsLastRevision(state, highest);
}

/** The lease is granted: from here on every effect is this tenure's. */
export function win(turn: Turn): void {
  const { state, now, config } = turn;
  const { attempt, round, disk } = state;
  if (attempt === null || round === null || disk === null) return;
  const deadline = fenceDeadline(round.sentAt, config);
  // Answers so late that nothing is left of it; the timer `answers` sends the next round.
  if (deadline <= now) return;
  const { ballot, epoch, highestOwner } = attempt;
  const held: Held = {
    ballot,
    epoch,
    deadline,
    nonces: round.nonces,
    stage: 'promoting',
    step: null,
    raise: !startsWithoutRaise(state, attempt),
    previous_master: highestOwner === config.node ? null : highestOwner,
    first_revision: 0,
    restarts: 0,
    last_exit: now,
    handover: null,
  };
  recordEpoch(turn, epoch, config.node, disk.list);
  rewriteUncommitted(turn, epoch);
  endVacancy(turn);
  updateRun(turn, { held, handed: null });
  update(turn, {
    attempt: null,
    // Who granted it may be asked at once, by a move as by a shutdown.
    lastAccept: Object.fromEntries(round.accepts.map((node) => [node, now])),
    takenIn: {},
    countingSince: now,
    wonWith: ownPosition(state, now, config),
    lastHead: null,
    earlierHead: null,
    leader: null,
    newestTenure: epoch,
    joining: [],
    leaving: [],
  });
  const previous = highestOwner === null ? '' : `, after ${highestOwner}`;
  explain(turn, `won the lease with epoch ${epoch}${previous}.`);
  disarm(turn, 'answers');
  disarm(turn, 'candidate');
  showDeadline(turn, round.sentAt);
  beginPromotion(turn);
}

/** L10: a list found uncommitted is written again under the own epoch before anything else. */
function rewriteUncommitted(turn: Turn, epoch: number): void {
  const { disk } = turn.state;
  if (disk === null || disk.list.committed) return;
  updateDisk(turn, { ...disk, list: { ...disk.list, epoch } });
}

/** Arms what the deadline of the last granted round asks for, and tells the gate. */
function showDeadline(turn: Turn, sentAt: Held['deadline']): void {
  const { held } = turn.state.run;
  if (held === null) return;
  arm(turn, 'fence', held.deadline);
  arm(turn, 'renew', after(sentAt, turn.config.renewInterval));
  if (isGateOpen(held)) {
    turn.effects.push({ kind: 'open_gate', epoch: held.epoch, deadline: held.deadline });
  }
}

/** L7: the deadline of a granted round, and of nothing else. */
function renewed(turn: Turn): void {
  const { run, round } = turn.state;
  if (run.held === null || round === null) return;
  // Its fence may have been carried out in a turn that could not be written.
  if (turn.now >= run.held.deadline) {
    loseRole(turn, 'the renewal was granted too late');
    return;
  }
  const deadline = fenceDeadline(round.sentAt, turn.config);
  // Granted too late to be worth anything: the timers of the earlier round stay.
  if (deadline <= turn.now || deadline < run.held.deadline) return;
  updateRun(turn, { held: { ...run.held, deadline } });
  if (run.held.stage === 'serving') noteHead(turn);
  showDeadline(turn, round.sentAt);
  if (round.number % 2 === 0) announce(turn);
}

/** What was there a round ago can be with others by now. */
function noteHead(turn: Turn): void {
  const { state, now, config } = turn;
  update(turn, { earlierHead: state.lastHead, lastHead: ownPosition(state, now, config) });
}

export function holderAccept(turn: Turn, from: NodeName, message: Accept): void {
  if (countAccept(turn, from, message)) renewed(turn);
  commitWhenKnown(turn);
}

/** The timer `renew`: the next round, and a Prepare for every voter that is not counted yet. */
export function nextRound(turn: Turn): void {
  const { held } = turn.state.run;
  if (held === null) return;
  if (turn.now >= held.deadline) {
    loseRole(turn, 'no renewal was granted in time');
    return;
  }
  changeMembers(turn);
  handOverAtShutdown(turn);
  const { state, now, config } = turn;
  arm(turn, 'renew', after(now, config.answerTimeout));
  const list = state.disk?.list;
  if (list === undefined) return;
  for (const node of asked(list)) {
    if (node !== config.node && held.nonces[node] === undefined) askAgain(turn, node);
  }
  if (sendRound(turn, held.ballot, held.epoch, held.nonces)) renewed(turn);
  commitWhenKnown(turn);
}

/** A voter that restarted, or that came late, has to promise this ballot first. */
function askAgain(turn: Turn, node: NodeName): void {
  const { state, now, config } = turn;
  if (state.run.held === null || state.disk === null) return;
  const prepare: Prepare = {
    kind: 'prepare',
    ballot: state.run.held.ballot,
    position: ownPosition(state, now, config),
    list: state.disk.list,
  };
  send(turn, node, prepare);
}

/** A Promise that comes while the lease is held: the voter joins from the next round on (L4). */
export function holderPromise(turn: Turn, from: NodeName, message: PromiseMessage): void {
  const { held } = turn.state.run;
  if (held === null || !areSameBallot(held.ballot, message.ballot)) return;
  hearPositions(turn, from, message.positions);
  hearWall(turn, from, message.wall_ms, message.wall_synchronised);
  if (knowsHigher(turn, from, message)) return;
  const list = turn.state.disk?.list;
  if (list !== undefined && compareLists(message.list, list) > 0) {
    loseRole(turn, `${from} knows a newer member list`);
    return;
  }
  if (held.nonces[from] === message.nonce) return;
  forgetLeave(turn, from);
  updateRun(turn, { held: { ...held, nonces: { ...held.nonces, [from]: message.nonce } } });
  if (turn.state.round?.granted === false) nextRound(turn);
}

export function holderRefuse(turn: Turn, from: NodeName, message: Refuse): void {
  seeCounter(turn, message.promised_counter);
  const { held } = turn.state.run;
  if (held === null || !areSameBallot(held.ballot, message.ballot)) return;
  if (knowsHigher(turn, from, message)) return;
  if (message.round === null || message.round !== turn.state.round?.number) return;
  if (message.highest_epoch === held.epoch && message.epoch_owner !== turn.config.node) {
    // It accepted itself for this epoch and lost, or accepted who did: who won settles that.
    announce(turn, { to: [from] });
    return;
  }
  if (held.nonces[from] === undefined) return;
  const { [from]: _restarted, ...nonces } = held.nonces;
  updateRun(turn, { held: { ...held, nonces } });
  askAgain(turn, from);
}

/** A voter's card tells what it accepted, not who won: only a higher epoch ends the role. */
function knowsHigher(turn: Turn, from: NodeName, message: PromiseMessage | Refuse): boolean {
  const { highest_epoch, epoch_owner } = message;
  const { held } = turn.state.run;
  if (held === null || highest_epoch <= held.epoch) return false;
  return overtaken(turn, highest_epoch, epoch_owner, from);
}

/** A higher epoch, or somebody who holds this one, ends the role at once. */
export function overtaken(
  turn: Turn,
  epoch: number,
  owner: NodeName | null,
  from: NodeName,
): boolean {
  const { held } = turn.state.run;
  if (held === null) return false;
  if (epoch < held.epoch) return false;
  if (epoch === held.epoch && (owner === null || owner === turn.config.node)) return false;
  loseRole(turn, `${from} knows epoch ${epoch} of ${owner ?? 'nobody'}`);
  return true;
}

/** The timer `fence`. */
export function fenceTimer(turn: Turn): void {
  const { held } = turn.state.run;
  if (held === null) return;
  if (turn.now < held.deadline) arm(turn, 'fence', held.deadline);
  else loseRole(turn, 'no renewal was granted in time');
}

/** Who decides whether an answer is the holder's or the candidate's. */
export const isHeld = (state: CoreState, ballot: Held['ballot']): boolean =>
  areSameBallot(state.run.held?.ballot ?? null, ballot);
