/**
 * What a holder does with the role: the steps of a promotion, of a restart of its server, and of
 * giving the role back or away (DESIGN sections 3 and 5).
 *
 * One step is ordered at a time; its result comes back as an event and orders the next. A step that
 * fails gives the lease back, and this node sits out for a while; only who holds rows that nobody
 * else there has tries again first. The lease is released only after
 * the server is known to have stopped; where that can't be known, it runs out.
 */
import type { NodeName, Release } from '../../shared/protocol/lease-messages.ts';
import { after, type Duration, left, milliseconds } from '../../shared/time/duration.ts';
import { announce, followSelf } from './follow.ts';
import { dropRole, failureMemory, isReplaceable, loseRole } from './lease/lapse.ts';
import { beginLeaving } from './lease/membership.ts';
import { isHeard } from './lease/presence.ts';
import { eligibleNodes, isVoter, others } from './lease/roles.ts';
import { recordServed } from './lease/rows.ts';
import { scheduleAttempt } from './lease/vacancy.ts';
import { hearRelease } from './lease/voter.ts';
import { newestWall } from './lease/wall.ts';
import { receiversByRank } from './ranking.ts';
import type { Handover, Held } from './state.ts';
import { explain, orderStep, reply, send, type Turn, update, updateRun } from './turn.ts';
import type { AgentEvent, CoreConfig, Step, StepOrder } from './types.ts';

type StepDone = Extract<AgentEvent, { kind: 'step_done' }>;

const nextStep: Partial<Record<Step, Step>> = {
  stop_agent_unit: 'install_datastore',
  install_datastore: 'install_archive',
  install_archive: 'start_server',
  start_server: 'check_ready',
};

/** A shutdown tries so many receivers; `wiring/ending.ts` gives it the time. */
export const MOST_RECEIVERS = 2;

/** A server may run: from its start on, until it has been ordered to stop. */
export const isGateOpen = (held: Held): boolean =>
  held.stage === 'serving' ||
  held.step === 'start_server' ||
  held.step === 'check_ready' ||
  (held.stage === 'handing_over' && held.step === 'stop_server');

export function changeHeld(turn: Turn, fields: Partial<Held>): Held | null {
  const { held } = turn.state.run;
  if (held === null) return null;
  const next = { ...held, ...fields };
  updateRun(turn, { held: next });
  return next;
}

export function beginPromotion(turn: Turn): void {
  order(turn, 'stop_agent_unit');
  announce(turn);
}

/** Orders one step under the epoch held. */
export function order(turn: Turn, step: Step): void {
  const held = changeHeld(turn, { step });
  if (held === null) return;
  const { state, now, config } = turn;
  let full: StepOrder;
  if (step === 'install_datastore') {
    const { raise, previous_master: previousMaster } = held;
    full = { step, raise, previousMaster, from: state.datastore.source };
  } else if (step === 'start_server') {
    turn.effects.push({ kind: 'open_gate', epoch: held.epoch, deadline: held.deadline });
    full = { step, notBeforeWall: newestWall(state, now) };
  } else if (step === 'send_last_revisions') {
    full = { step, to: held.handover?.to ?? config.node };
  } else {
    full = { step };
  }
  orderStep(turn, held.epoch, full);
}

/** The result of a step, if it is still this tenure's. */
export function stepDone(turn: Turn, event: StepDone): void {
  const { held } = turn.state.run;
  if (event.step === 'start_agent_unit') {
    if (!event.ok) {
      update(turn, { agentUnitEpoch: -1 });
      explain(turn, `the agent unit did not start: ${event.detail}.`);
    }
    return;
  }
  if (held === null || held.epoch !== event.epoch || held.step !== event.step) return;
  // A promotion never goes on after its lease has run out.
  if (turn.now >= held.deadline) {
    loseRole(turn, `the lease ran out during ${event.step}`);
    return;
  }
  if (held.stage === 'giving_back') {
    if (event.ok) release(turn, null);
    else loseRole(turn, `the server did not stop: ${event.detail}`);
  } else if (held.stage === 'handing_over') {
    handoverStep(turn, held, event);
  } else if (!event.ok) {
    failed(turn, held, event);
  } else {
    advance(turn, event);
  }
}

function advance(turn: Turn, event: StepDone): void {
  if (event.step === 'install_datastore') {
    changeHeld(turn, { first_revision: event.firstRevision ?? 0 });
  }
  const next = nextStep[event.step];
  if (next !== undefined) {
    order(turn, next);
    return;
  }
  const held = changeHeld(turn, { stage: 'serving', step: null });
  if (held === null) return;
  explain(turn, `serves with epoch ${held.epoch}.`);
  recordServed(turn);
  followSelf(turn);
  announce(turn);
}

function failed(turn: Turn, held: Held, event: StepDone): void {
  const why = `${event.step} failed: ${event.detail}`;
  if (held.stage === 'restarting') restartServer(turn, held, why);
  else promotionFailed(turn, held, event.step, why);
}

/**
 * The next one tries. But while nobody else there holds every row that this node won with, giving
 * the role back would cost those rows: then the step is tried again first, as often as a server.
 */
function promotionFailed(turn: Turn, held: Held, step: Step, why: string): void {
  const tries = turn.config.serverRestarts;
  // A server that was given its time and is not ready would take the same time once more.
  if (step === 'check_ready' || held.restarts >= tries || mayBeGivenBack(turn)) {
    giveBack(turn, why);
    return;
  }
  changeHeld(turn, { restarts: held.restarts + 1, last_exit: turn.now });
  explain(turn, `${why}; nobody else has its revisions: try ${held.restarts + 2} of ${tries + 1}.`);
  order(turn, step);
}

/** Whether somebody else who is there holds what this node won with. */
const mayBeGivenBack = (turn: Turn): boolean =>
  turn.state.wonWith === null || isReplaceable(turn, turn.state.wonWith);

/**
 * The server process ended by itself: again on the spot, a few times, then the role is given away.
 */
export function serverExited(turn: Turn, epoch: number, detail: string): void {
  const { held } = turn.state.run;
  if (held === null || held.epoch !== epoch) return;
  // Whether a ready answer came before or after the end, nothing runs now.
  const checks = held.step === 'check_ready';
  if (held.stage !== 'serving' && !checks) return;
  // An agent that was stopped for long may hear of it after its lease ran out.
  if (turn.now >= held.deadline) {
    loseRole(turn, `the server ended late: ${detail}`);
  } else if (held.stage === 'promoting') {
    promotionFailed(turn, held, 'start_server', `the server ended: ${detail}`);
  } else {
    restartServer(turn, held, `the server ended: ${detail}`);
  }
}

function restartServer(turn: Turn, held: Held, why: string): void {
  const { now, config } = turn;
  const restarts = left(held.last_exit, now) > failureMemory ? 0 : held.restarts;
  if (restarts >= config.serverRestarts) {
    giveBack(turn, `${why}, ${restarts} restarts did not help`);
    return;
  }
  changeHeld(turn, { stage: 'restarting', restarts: restarts + 1, last_exit: now });
  explain(turn, `${why}; restart ${restarts + 1} of ${config.serverRestarts}.`);
  order(turn, 'start_server');
}

/** Fences at once, waits for the stop, then releases and sits out. */
export function giveBack(turn: Turn, why: string): void {
  const { held } = turn.state.run;
  if (held === null) return;
  turn.urgent.push({ kind: 'fence', epoch: held.epoch, reason: why }, { kind: 'close_gate' });
  updateRun(turn, { sit_out_until: after(turn.now, turn.config.sitOut) });
  changeHeld(turn, { stage: 'giving_back' });
  explain(turn, `gives the role back: ${why}.`);
  order(turn, 'stop_server');
}

/** L8: forgotten in /run first, then sent. The caller knows that the server has stopped. */
function release(turn: Turn, successor: NodeName | null, last: number | null = null): void {
  const { held } = turn.state.run;
  if (held === null) return;
  const { ballot, epoch } = held;
  const message: Release = { kind: 'release', ballot, epoch, successor, last_revision: last };
  turn.urgent.push({ kind: 'close_gate' });
  // Before the announcement: it names the successor, whom the others leave the time to ask first.
  for (const node of others(turn.config)) send(turn, node, message);
  announce(turn, { stopped: true });
  dropRole(turn);
  hearRelease(turn, turn.config.node, message);
  explain(turn, `released epoch ${epoch}${successor === null ? '' : ` to ${successor}`}.`);
  if (turn.state.stopping) beginLeaving(turn);
  scheduleAttempt(turn, turn.config.answerTimeout * (successor === null ? 1 : 3));
}

/** A planned move: stop, last revisions acknowledged, lease to the named successor. */
export function beginHandover(turn: Turn, handover: Handover): void {
  changeHeld(turn, { stage: 'handing_over', handover });
  update(turn, { passedOver: [] });
  const to = handover.to ?? 'nobody';
  explain(turn, `hands the role over to ${to} (${handover.why}).`);
  order(turn, 'stop_server');
}

function handoverStep(turn: Turn, held: Held, event: StepDone): void {
  const { handover } = held;
  if (handover === null) return;
  if (handover.why === 'shutdown') shutdownStep(turn, handover, event);
  else moveStep(turn, handover, event);
}

/** The role goes whatever happens: to whoever is best now, to nobody by name where nobody can. */
function shutdownStep(turn: Turn, handover: Handover, event: StepDone): void {
  const stopped = event.step === 'stop_server';
  if (stopped && !event.ok) {
    loseRole(turn, `the server did not stop: ${event.detail}`);
    reply(turn, handover.reply, false, `The server did not stop: ${event.detail}.`);
    return;
  }
  const { to } = handover;
  const able = event.ok && to !== null && couldAskAtOnce(turn, to);
  // Nobody is tried twice, and only so many: each may take its time, and the machine goes off.
  if (!stopped && to !== null) update(turn, { passedOver: [...turn.state.passedOver, to] });
  const mayTry = turn.state.passedOver.length < MOST_RECEIVERS;
  const next = able ? to : mayTry ? chooseReceiver(turn) : null;
  if (next === null || (able && !stopped)) {
    release(turn, next, next === null ? null : (event.lastRevision ?? null));
    reply(turn, handover.reply, true, `released to ${next ?? 'the others'}`);
    return;
  }
  changeHeld(turn, { handover: { ...handover, to: next } });
  order(turn, 'send_last_revisions');
}

/** A move was asked for by name; before the lease is handed over, a failure puts this one back. */
function moveStep(turn: Turn, { to, reply: asked }: Handover, event: StepDone): void {
  const able = to !== null && couldAskAtOnce(turn, to);
  if (event.ok && able) {
    if (event.step === 'stop_server') {
      order(turn, 'send_last_revisions');
      return;
    }
    release(turn, to, event.lastRevision ?? null);
    reply(turn, asked, true, `released to ${to}`);
    return;
  }
  const failure = event.ok ? `${to} may not ask any more` : `${event.step} failed: ${event.detail}`;
  reply(turn, asked, false, `${failure}; still master`);
  changeHeld(turn, { stage: 'restarting', handover: null });
  explain(turn, `stays master: ${failure}.`);
  order(turn, 'start_server');
}

/**
 * As the holder of a machine that is being switched off, at once and before each round: hands over
 * as soon as somebody can take it. While its server serves, and an eligible node that is there may
 * not ask yet (silent after its start, or no voter yet), this one goes on serving: under a list of
 * itself alone nobody could follow it once it is off (L10).
 */
export function handOverAtShutdown(turn: Turn): void {
  const { state, now } = turn;
  const { held } = state.run;
  if (!state.stopping || held === null) return;
  if (held.stage === 'handing_over' || held.stage === 'giving_back') return;
  const to = chooseReceiver(turn);
  const mayWait = held.stage === 'serving' && now < state.receiverBy;
  if (to === null && mayWait && somebodyComes(turn)) return;
  beginHandover(turn, { to, reply: null, why: 'shutdown' });
}

/**
 * From a start until its node may take over: the silence, an announcement (every second round),
 * the wish to be a voter that follows it, and two rounds, one that shows everybody the new list and
 * asks for the vote, one that counts it.
 */
export const untilAble = ({ leaseDuration, renewInterval }: CoreConfig): Duration =>
  milliseconds(leaseDuration + 5 * renewInterval);

/**
 * An eligible node that is there, by its words or by the stream, and is not about to leave. One
 * that has left counts for a while, as long as it is heard: it looks like one that returns and is
 * silent.
 */
function somebodyComes({ state, now, config }: Turn): boolean {
  return eligibleNodes(config).some(
    (node) =>
      node !== config.node && !state.leaving.includes(node) && isHeard(state, now, config, node),
  );
}

/**
 * A voter that has not accepted a round lately is silent after its start (L2), or away; one that
 * leaves will not ask any more. Neither could ask for the lease at once, and somebody with fewer
 * revisions would.
 */
export function couldAskAtOnce(turn: Turn, node: NodeName): boolean {
  const { state, now, config } = turn;
  if (!isVoter(config, node)) return true;
  if (state.leaving.includes(node) || !state.disk?.list.members.includes(node)) return false;
  const accepted = state.lastAccept[node];
  if (accepted === undefined || now - accepted > config.fenceAfter) return false;
  return state.run.held?.nonces[node] !== undefined;
}

/**
 * The best receiver that can be reached, could ask at once and has not failed at this handover;
 * null when there is none.
 */
export function chooseReceiver(turn: Turn): NodeName | null {
  const { state, now, config } = turn;
  const reachable = (node: NodeName): boolean =>
    node !== config.node &&
    isHeard(state, now, config, node) &&
    couldAskAtOnce(turn, node) &&
    !state.passedOver.includes(node);
  return receiversByRank(state, config, config.node).find(reachable) ?? null;
}
