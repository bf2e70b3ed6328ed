/**
 * What a person or the daemon's own end asks for: move, promote, found, leave, stopping.
 *
 * Every command is answered with a `reply`, also when it is refused; the sentence says why and what
 * to do. Nothing here bypasses a rule of the lease: a forced promotion (L12) waits for the node's
 * own lock like everybody else.
 */
import { after } from '../../shared/time/duration.ts';
import { endAttempt } from './lease/candidate.ts';
import { scheduleForced } from './lease/forced.ts';
import { foundByCommand } from './lease/learning.ts';
import { beginLeaving } from './lease/membership.ts';
import { isHeard } from './lease/presence.ts';
import { isEligible } from './lease/roles.ts';
import {
  beginHandover,
  changeHeld,
  chooseReceiver,
  couldAskAtOnce,
  handOverAtShutdown,
  untilAble,
} from './promotion.ts';
import { explain, reply, type Turn, update } from './turn.ts';
import type { AgentEvent, Command } from './types.ts';

type Asked = Extract<AgentEvent, { kind: 'command' | 'stopping' }>;

export function obey(turn: Turn, event: Asked): void {
  if (event.kind === 'stopping') {
    // A restart leaves everything as it is: the next process goes on from /run.
    if (event.why === 'shutdown') shutDown(turn);
    return;
  }
  const { id, command } = event;
  if (command.name === 'move') move(turn, id, command);
  else if (command.name === 'promote') scheduleForced(turn, id);
  else if (command.name === 'found') foundByCommand(turn, id);
  else leave(turn, id);
}

function move(turn: Turn, id: string, command: Extract<Command, { name: 'move' }>): void {
  const { state, now, config } = turn;
  const { held } = state.run;
  if (held === null) {
    const master = state.leader?.master ?? 'none';
    reply(turn, id, false, `This node is not the master (${master} is). Run it there.`);
    return;
  }
  if (state.stopping) {
    reply(turn, id, false, 'This node is being switched off: it hands over by itself.');
    return;
  }
  if (held.stage !== 'serving') {
    reply(turn, id, false, 'The server is not serving yet; try again when it is.');
    return;
  }
  const to = command.to ?? chooseReceiver(turn);
  if (to === null) {
    reply(turn, id, false, 'No receiver can be reached; nothing was changed.');
    return;
  }
  if (to === config.node || !isEligible(config, to)) {
    reply(turn, id, false, `${to} can't become master: not another eligible node.`);
  } else if (!isHeard(state, now, config, to)) {
    reply(turn, id, false, `${to} has not been heard lately; nothing was changed.`);
  } else if (!couldAskAtOnce(turn, to)) {
    const why = `${to} has just started or is leaving, and may not ask now`;
    reply(turn, id, false, `${why}; try again in a moment.`);
  } else {
    beginHandover(turn, { to, reply: id, why: 'move' });
  }
}

function leave(turn: Turn, id: string): void {
  if (turn.state.run.held !== null) {
    reply(turn, id, false, 'This node is the master: move the role first (baton move).');
    return;
  }
  endAttempt(turn, 'this node leaves the voters');
  beginLeaving(turn);
  reply(turn, id, true, 'Asked to leave the voters; it is taken back at its next start.');
}

/** The role first, then the vote; the shell is told with the reply `shutdown`. */
function shutDown(turn: Turn): void {
  const { state } = turn;
  if (state.stopping) return;
  const { held } = state.run;
  const receiverBy = after(turn.now, untilAble(turn.config));
  update(turn, { stopping: true, forced: false, receiverBy });
  if (held === null) {
    endAttempt(turn, 'this node is being switched off');
    beginLeaving(turn);
  } else if (held.stage === 'handing_over' && held.handover !== null) {
    // Whoever was asked for by name may not take it any more: then it goes to whom is best.
    changeHeld(turn, { handover: { ...held.handover, why: 'shutdown' } });
  } else {
    handOverAtShutdown(turn);
    const waits = turn.state.run.held?.stage === 'serving';
    if (waits) explain(turn, 'serves on until a receiver may take over, then it is switched off.');
  }
}
