/**
 * The end of a tenure without a release (L7): the lease ran out, or a higher epoch was seen.
 */
import { disarm, explain, type Turn, update, updateRun } from '../turn.ts';
import { beginLeaving } from './membership.ts';
import { scheduleAttempt } from './vacancy.ts';

/**
 * Stops the server at once and forgets the role. Nothing is released: the server may still answer
 * for the time of a kill, which the voters' longer timers cover.
 */
export function loseRole(turn: Turn, why: string): void {
  const { held } = turn.state.run;
  if (held === null) return;
  turn.urgent.push({ kind: 'fence', epoch: held.epoch, reason: why }, { kind: 'close_gate' });
  dropRole(turn);
  explain(turn, `fences itself, epoch ${held.epoch}: ${why}.`);
  if (turn.state.stopping) beginLeaving(turn);
  scheduleAttempt(turn);
}

/** Takes back everything that belongs to holding. */
export function dropRole(turn: Turn): void {
  updateRun(turn, { held: null });
  update(turn, { round: null, leader: null, joining: [], leaving: [], agentUnitEpoch: -1 });
  disarm(turn, 'renew');
  disarm(turn, 'fence');
}
