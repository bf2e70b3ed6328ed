/**
 * The candidate: how a node asks for the lease (L1, L3, L4, L5, L14).
 *
 * Prepare to everybody on the lists in force; with a majority of Promises, Propose under an epoch
 * above every one they know; with a majority of Accepts of one round, the lease is held
 * (lease/rounds.ts). Whatever contradicts the ballot ends it: a fresh one costs one round trip.
 */
import type {
  Accept,
  NodeName,
  Position,
  Prepare,
  PromiseMessage,
  Refuse,
} from '../../../shared/protocol/lease-messages.ts';
import { after, type Instant } from '../../../shared/time/duration.ts';
import type { Attempt, CoreState } from '../state.ts';
import { arm, disarm, explain, send, type Turn, update, updateRun } from '../turn.ts';
import type { CoreConfig } from '../types.ts';
import { isSameBallot } from './ballot.ts';
import { nextEpoch } from './epochs.ts';
import { win } from './holder.ts';
import { asked, compareLists, hasMajority } from './member-list.ts';
import { comparePositions, hearPositions, holdsLastRevision, ownPosition } from './positions.ts';
import { isHeard } from './presence.ts';
import { isVoter, others } from './roles.ts';
import { countAccept, sendRound } from './rounds.ts';
import { emptyRefusal } from './rows.ts';
import {
  earliestAttempt,
  hasYielded,
  hearOfTenure,
  mayAsk,
  scheduleAttempt,
  yieldOnce,
} from './vacancy.ts';
import { adoptList, answerPrepare, hearRelease, seeCounter } from './voter.ts';
import { hearWall } from './wall.ts';

/** The timer `candidate`: begins an attempt when nothing stands against it any more. */
export function candidateTimer(turn: Turn): void {
  const { state, now, config } = turn;
  if (state.attempt !== null || !mayAsk(state, config)) return;
  if (earliestAttempt(state, now, config) > now) scheduleAttempt(turn);
  else beginAttempt(turn);
}

/** L1: a ballot above every one seen; its counter is in /run before it is sent. */
export function beginAttempt(turn: Turn): void {
  const { state, now, config } = turn;
  const { disk, run } = state;
  if (disk === null) return;
  const counter = Math.max(run.counter, state.seenCounter, run.promised?.counter ?? 0) + 1;
  const ballot = { counter, node: config.node, nonce: state.nonce };
  updateRun(turn, { counter });
  update(turn, {
    attempt: {
      ballot,
      list: disk.list,
      startedAt: now,
      phase: 'preparing',
      promises: {},
      refusals: [],
      retryAfter: 0,
      highest: disk.highest_epoch,
      highestOwner: disk.epoch_owner,
      epoch: 0,
      tries: 0,
    },
  });
  const position = ownPosition(state, now, config);
  const prepare: Prepare = { kind: 'prepare', ballot, position, list: disk.list };
  explain(turn, `asks for the lease with ballot ${counter}: ${cause(state, now)}.`);
  arm(turn, 'answers', after(now, config.answerTimeout));
  for (const node of asked(disk.list)) if (node !== config.node) send(turn, node, prepare);
  if (!isVoter(config, config.node)) return;
  const answer = answerPrepare(turn, config.node, prepare);
  if (answer.kind === 'promise') candidatePromise(turn, config.node, answer);
}

/** Why there is nobody to follow, in words for `baton why`. */
function cause({ leader }: CoreState, now: Instant): string {
  if (leader === null) return 'no master is known';
  if (leader.stage === 'stopped') return `${leader.master} has given the role up`;
  const seconds = Math.round((now - leader.heardAt) / 100) / 10;
  return `nothing from ${leader.master} for ${seconds} s`;
}

/** The attempt that `ballot` belongs to, unless a list or an epoch in between has overtaken it. */
function currentAttempt(turn: Turn, ballot: Attempt['ballot']): Attempt | null {
  const { attempt, disk } = turn.state;
  if (attempt === null || disk === null || !isSameBallot(attempt.ballot, ballot)) return null;
  if (compareLists(disk.list, attempt.list) !== 0) {
    endAttempt(turn, 'a newer member list is in force');
    return null;
  }
  return attempt;
}

export function candidatePromise(turn: Turn, from: NodeName, message: PromiseMessage): void {
  const attempt = currentAttempt(turn, message.ballot);
  if (attempt === null) return;
  hearPositions(turn, from, message.positions);
  hearWall(turn, from, message.wall_ms, message.wall_synchronised);
  // L3: what this voter has granted to somebody else stands against the ballot, promised or not.
  if (message.accepted !== null && message.accepted.owner !== turn.config.node) return;
  // L4: a newer list ends the ballot; the next one asks the right nodes.
  if (compareLists(message.list, attempt.list) > 0) {
    adoptList(turn, message.list);
    endAttempt(turn, `${from} knows a newer member list`);
    return;
  }
  if (attempt.phase === 'proposing' && contradicts(message, attempt, turn.config)) {
    endAttempt(turn, `${from} knows epoch ${message.highest_epoch}`);
    return;
  }
  hearOfTenure(turn, message.newest_tenure);
  const { nonce, highest_epoch, epoch_owner } = message;
  const promises = { ...attempt.promises, [from]: { nonce, highest_epoch, epoch_owner } };
  const higher = attempt.phase === 'preparing' && highest_epoch > attempt.highest;
  update(turn, {
    attempt: {
      ...attempt,
      promises,
      highest: higher ? highest_epoch : attempt.highest,
      highestOwner: higher ? epoch_owner : attempt.highestOwner,
    },
  });
  if (attempt.phase === 'preparing') proposeWhenPromised(turn);
}

/** L4: a Promise that comes late counts only when its epoch is lower or the candidate's own. */
const contradicts = (message: PromiseMessage, attempt: Attempt, config: CoreConfig): boolean =>
  message.highest_epoch > attempt.epoch ||
  (message.highest_epoch === attempt.epoch && message.epoch_owner !== config.node);

/** `waits`: for the answer of a better replica, whose voter may be slower than the majority. */
function proposeWhenPromised(turn: Turn, waits = true): void {
  const { attempt } = turn.state;
  if (attempt === null || attempt.phase !== 'preparing') return;
  if (!hasMajority(attempt.list, new Set(Object.keys(attempt.promises)))) return;
  const empty = emptyRefusal(turn.state, turn.now, turn.config);
  if (empty !== null) {
    // Asked again, for that node's own word may be that its rows are gone; but not in haste.
    update(turn, { attempt: { ...attempt, retryAfter: turn.config.leaseDuration } });
    endAttempt(turn, empty);
    return;
  }
  // Whom the last master named holds everything by its word, which is newer than any position.
  const vouched = holdsLastRevision(turn.state, attempt.highest);
  const better = vouched ? null : betterReplica(turn.state, turn.now, turn.config);
  const mayYield = better !== null && !hasYielded(turn.state, better.lineage_epoch);
  if (!(mayYield || vouched) && waits && awaitsBetter(turn, attempt)) return;
  if (better !== null && yieldOnce(turn, better.lineage_epoch)) {
    const { node } = better;
    endAttempt(turn, `${node} holds a better replica: yields to it once`, node);
    return;
  }
  // L5: above every epoch that a majority knows.
  const epoch = nextEpoch(attempt.highest, attempt.list, turn.config);
  update(turn, { attempt: { ...attempt, phase: 'proposing', epoch } });
  proposeAgain(turn);
}

/**
 * Receivers do not talk to each other while there is a master, so whether a better one can be
 * reached shows by its answer, also one that refuses because it has just started. The lost master
 * is ahead by nature and most likely dead: no wait for it.
 */
function awaitsBetter(turn: Turn, attempt: Attempt): boolean {
  const { state } = turn;
  return asked(attempt.list).some((node) => {
    if (attempt.promises[node] !== undefined || attempt.refusals.includes(node)) return false;
    if (isLostMaster(turn, attempt, node)) return false;
    const told = [state.positions[node], state.rumours[node]];
    if (told.some((one) => one !== undefined && isWorthAWait(state, one))) return true;
    // The last owner went on after whatever others remember of it, if they remember anything; it
    // is there and says how far it goes.
    if (node !== attempt.highestOwner || state.heard[node] === undefined) return false;
    return !hasYielded(state, attempt.highest);
  });
}

const isWorthAWait = (state: CoreState, position: Position): boolean =>
  comparePositions(position, ownRow(state)) > 0 && !hasYielded(state, position.lineage_epoch);

/** The last master, which this node has heard and hears no more. */
function isLostMaster(turn: Turn, attempt: Attempt, node: NodeName): boolean {
  const { state, config } = turn;
  if (node === config.node) return false;
  if (node !== attempt.highestOwner && node !== state.leader?.master) return false;
  const heard = state.heard[node];
  return heard !== undefined && turn.now - heard >= config.fenceAfter;
}

/** One round of the attempt that is proposing. */
function proposeAgain(turn: Turn): void {
  const { attempt } = turn.state;
  if (attempt === null) return;
  const nonces: Record<NodeName, string> = {};
  for (const [node, promise] of Object.entries(attempt.promises)) nonces[node] = promise.nonce;
  arm(turn, 'answers', after(turn.now, turn.config.answerTimeout));
  if (sendRound(turn, attempt.ballot, attempt.epoch, nonces)) win(turn);
}

/** An Accept that counts may be the one that wins. */
export function candidateAccept(turn: Turn, from: NodeName, message: Accept): void {
  const attempt = currentAttempt(turn, message.ballot);
  if (attempt === null || attempt.phase !== 'proposing') return;
  if (countAccept(turn, from, message)) win(turn);
}

const ownRow = (state: CoreState): Pick<Position, 'lineage_epoch' | 'revision'> => ({
  lineage_epoch: state.datastore.lineageEpoch,
  revision: state.datastore.revision,
});

/**
 * L14: a receiver that can be reached and goes further than this node; null when there is none.
 * A master that has just given the role back is not waited for.
 */
export function betterReplica(state: CoreState, now: Instant, config: CoreConfig): Position | null {
  const { leader } = state;
  let best: Position | null = null;
  for (const position of Object.values(state.positions)) {
    if (leader?.stage === 'stopped' && leader.master === position.node) continue;
    if (!isHeard(state, now, config, position.node)) continue;
    if (comparePositions(position, best ?? ownRow(state)) > 0) best = position;
  }
  return best;
}

export function candidateRefuse(turn: Turn, from: NodeName, message: Refuse): void {
  seeCounter(turn, message.promised_counter);
  const attempt = currentAttempt(turn, message.ballot);
  if (attempt === null) return;
  if (message.list !== null && compareLists(message.list, attempt.list) > 0) {
    adoptList(turn, message.list);
    endAttempt(turn, `${from} knows a newer member list`);
    return;
  }
  // L5: higher than necessary is allowed, lower never is.
  const higher = attempt.phase === 'preparing' && message.highest_epoch > attempt.highest;
  const refusals = attempt.refusals.includes(from) ? attempt.refusals : [...attempt.refusals, from];
  update(turn, {
    attempt: {
      ...attempt,
      refusals,
      retryAfter: Math.max(attempt.retryAfter, message.retry_after_ms),
      highest: higher ? message.highest_epoch : attempt.highest,
      highestOwner: higher ? message.epoch_owner : attempt.highestOwner,
    },
  });
  // Nobody waits for the lost master: two candidates that met would both, before they part.
  const open = asked(attempt.list).filter(
    (node) => !refusals.includes(node) && !isLostMaster(turn, attempt, node),
  );
  if (!hasMajority(attempt.list, new Set(open))) endAttempt(turn, `refused: ${message.reason}`);
  else proposeWhenPromised(turn);
}

/** The timer `answers` of an attempt: once more when it was proposing, otherwise it ends. */
export function attemptTimeout(turn: Turn): void {
  const { attempt } = turn.state;
  if (attempt === null) return;
  if (attempt.phase === 'proposing' && attempt.tries === 0) {
    update(turn, { attempt: { ...attempt, tries: 1 } });
    proposeAgain(turn);
    return;
  }
  if (attempt.phase === 'preparing') {
    proposeWhenPromised(turn, false);
    if (turn.state.attempt?.phase !== 'preparing') return;
  }
  const heard = Object.keys(attempt.promises).length;
  endAttempt(turn, `no majority answered (${heard} of ${asked(attempt.list).length})`);
}

/**
 * Gives the ballot up and says so (L8), so that no voter is kept by a promise nobody uses. The
 * next attempt waits for the voter that named the longest wait. Who yields names whom it yields to,
 * for that one may be waiting after a refusal.
 */
export function endAttempt(turn: Turn, why: string, successor: NodeName | null = null): void {
  const { attempt } = turn.state;
  if (attempt === null) return;
  const { config } = turn;
  const { ballot, epoch, retryAfter } = attempt;
  update(turn, { attempt: null, round: null, attempts: turn.state.attempts + 1 });
  explain(turn, `ballot ${ballot.counter} ends: ${why}.`);
  const release = { kind: 'release', ballot, epoch, successor, last_revision: null } as const;
  hearRelease(turn, config.node, release);
  // To everybody: a node without a vote may be waiting for this one as the last owner (L14).
  for (const node of others(config)) send(turn, node, release);
  disarm(turn, 'answers');
  scheduleAttempt(turn, Math.min(retryAfter, config.leaseDuration));
}
