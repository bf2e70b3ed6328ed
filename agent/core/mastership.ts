/**
 * The heart of baton: what a node does about each event.
 *
 * `decide` is a pure function: no clock, randomness, socket, file or logger; the same code runs in
 * the daemon and in the simulator. The rules live in lease/ (numbered as in LEASE.md), in
 * promotion.ts and in follow.ts; this file says which event goes to which rule.
 * It promises safety only to a caller that keeps the duties listed in types.ts.
 */
import type { LeaseMessage, NodeName } from '../../shared/protocol/lease-messages.ts';
import { after, type Instant, milliseconds } from '../../shared/time/duration.ts';
import { obey } from './commands.ts';
import { hearAnnounce, hearVacancy } from './follow.ts';
import {
  attemptTimeout,
  candidateAccept,
  candidatePromise,
  candidateRefuse,
  candidateTimer,
} from './lease/candidate.ts';
import { correct, hearContact, seekContact } from './lease/contact.ts';
import { forceNow } from './lease/forced.ts';
import {
  fenceTimer,
  holderAccept,
  holderPromise,
  holderRefuse,
  isHeld,
  nextRound,
  overtaken,
} from './lease/holder.ts';
import { answerLearn, hearLearned, learn } from './lease/learning.ts';
import { hearMembership, hearWishAnswer, repeatLeave } from './lease/membership.ts';
import { hearAcknowledgement, hearPositions } from './lease/positions.ts';
import { noteHeard } from './lease/presence.ts';
import { isKnown } from './lease/roles.ts';
import { forgetLongerLeases } from './lease/silence.ts';
import { hearOwner, scheduleAttempt } from './lease/vacancy.ts';
import { answerPrepare, answerPropose } from './lease/voter.ts';
import { hearWall, readWall } from './lease/wall.ts';
import { serverExited, stepDone } from './promotion.ts';
import { start } from './start.ts';
import type { CoreState } from './state.ts';
import { arm, beginTurn, explain, finish, send, type Turn, update } from './turn.ts';
import type { AgentEvent, CoreConfig, Decision, TimerName } from './types.ts';

export { type CoreState, initialState } from './state.ts';
export { view } from './view.ts';

/** The next state, the effects in order, and one sentence of reason. Throws never. */
export function decide(
  state: CoreState,
  event: AgentEvent,
  now: Instant,
  config: CoreConfig,
): Decision<CoreState> {
  const turn = beginTurn(state, now, config);
  if (event.kind === 'started') start(turn, event.facts);
  else if (state.started) route(turn, event);
  else beforeStart(turn, event);
  return finish(turn);
}

/** `started` could not be written and is fed again: what happens meanwhile is not in its facts. */
function beforeStart(turn: Turn, event: AgentEvent): void {
  if (event.kind === 'server_exited') update(turn, { serverEnded: true });
  if (event.kind !== 'persist_failed') return;
  explain(turn, `could not write its ${event.what} record (${event.detail}): starts again soon.`);
}

function route(turn: Turn, event: Exclude<AgentEvent, { kind: 'started' }>): void {
  switch (event.kind) {
    case 'message':
      return hear(turn, event.from, event.message);
    case 'timer':
      return ring(turn, event.timer);
    case 'datastore':
      return update(turn, { datastore: event.facts });
    case 'acknowledged':
      noteHeard(turn, event.receiver);
      return hearAcknowledgement(turn, event.receiver, event.lineageEpoch, event.revision);
    case 'step_done':
      return stepDone(turn, event);
    case 'server_exited':
      return serverExited(turn, event.epoch, event.detail);
    case 'wall':
      return readWall(turn, event.wall);
    case 'ranking':
      return update(turn, { scoutOrder: event.order });
    case 'persist_failed':
      return persistFailed(turn, event.what, event.detail);
    case 'command':
    case 'stopping':
      return obey(turn, event);
  }
}

function hear(turn: Turn, from: NodeName, message: LeaseMessage): void {
  const { config } = turn;
  if (!isKnown(config, from) || from === config.node) return;
  noteHeard(turn, from);
  hearOwner(turn, from);
  switch (message.kind) {
    case 'prepare':
      return send(turn, from, answerPrepare(turn, from, message));
    case 'promise':
      if (isHeld(turn.state, message.ballot)) return holderPromise(turn, from, message);
      return candidatePromise(turn, from, message);
    case 'refuse':
      if (message.position !== null) hearPositions(turn, from, [message.position]);
      if (isHeld(turn.state, message.ballot)) return holderRefuse(turn, from, message);
      return candidateRefuse(turn, from, message);
    case 'propose':
      hearWall(turn, from, message.wall_ms, message.wall_synchronised);
      return send(turn, from, answerPropose(turn, from, message));
    case 'accept':
      if (message.position !== null) hearPositions(turn, from, [message.position]);
      if (isHeld(turn.state, message.ballot)) return holderAccept(turn, from, message);
      return candidateAccept(turn, from, message);
    case 'release':
      return hearVacancy(turn, from, message);
    case 'learn':
      return answerLearn(turn, from, message);
    case 'learned':
      if (hearContact(turn, from, message) || hearWishAnswer(turn, message)) return;
      return hearLearned(turn, from, message);
    case 'announce':
      overtaken(turn, message.epoch, message.master, from);
      correct(turn, from, message);
      return hearAnnounce(turn, from, message);
    case 'membership':
      return hearMembership(turn, from, message);
  }
}

function ring(turn: Turn, timer: TimerName): void {
  const { state, now } = turn;
  switch (timer) {
    case 'renew':
      return nextRound(turn);
    case 'fence':
      return fenceTimer(turn);
    case 'answers':
      return attemptTimeout(turn);
    case 'candidate':
      return candidateTimer(turn);
    case 'learn':
      return turn.state.disk === null ? learn(turn) : seekContact(turn);
    case 'retire':
      return repeatLeave(turn);
    case 'silence':
      if (now < state.run.silent_until) return arm(turn, 'silence', state.run.silent_until);
      forgetLongerLeases(turn);
      explain(turn, 'votes from now on: the silence after its start is over (L2).');
      learn(turn);
      return scheduleAttempt(turn);
    case 'sit-out':
      return state.forced ? forceNow(turn) : scheduleAttempt(turn);
    case 'lease-expiry':
    case 'cold-start':
    case 'announce':
      return scheduleAttempt(turn);
  }
}

const retryAfterFailure = milliseconds(1000);

/**
 * The state of the failed turn is gone, and its timers with it. The caller repeats what came once
 * (duty 1); a message that would have begun an attempt comes from a node that may be gone by now.
 * Nothing is written here, or a full disk would spin.
 */
function persistFailed(turn: Turn, what: 'disk' | 'run', detail: string): void {
  explain(turn, `could not write its ${what} record (${detail}): nothing was promised.`);
  if (turn.state.run.held === null) arm(turn, 'candidate', after(turn.now, retryAfterFailure));
}
