/**
 * The end of a tenure without a release (L7): the lease ran out, or a higher epoch was seen.
 *
 * Whoever keeps losing its lease would win it again for ever: its own lock is the one that the
 * voters still hold, and a server that is more than its machine can carry is gone by then. So it
 * sits out after some times, like one whose server keeps ending.
 */
import { after, between, type Duration, minutes } from '../../../shared/time/duration.ts';
import { disarm, explain, type Turn, update, updateRun } from '../turn.ts';
import { beginLeaving } from './membership.ts';
import { comparePositions } from './positions.ts';
import { isHeard } from './presence.ts';
import { eligibleNodes } from './roles.ts';
import { scheduleAttempt } from './vacancy.ts';

/** Failures further apart than this have nothing to do with each other. */
export const failureMemory = minutes(10);

const nothing = { lineage_epoch: 0, revision: 0 };

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
  if (turn.now >= held.deadline) countLapse(turn);
  if (turn.state.stopping) beginLeaving(turn);
  scheduleAttempt(turn);
}

/** As often as a server is started again; but nobody sits out where nobody else could serve. */
function countLapse(turn: Turn): void {
  const { now, config } = turn;
  const { lapses, last_lapse: last } = turn.state.run;
  const count = between(last, now) > failureMemory ? 1 : lapses + 1;
  updateRun(turn, { lapses: count, last_lapse: now });
  // Its voters were heard when the last round was granted, not since.
  if (count < config.serverRestarts || !isReplaceable(turn, config.leaseDuration)) return;
  updateRun(turn, { sit_out_until: after(now, config.sitOut) });
  explain(turn, `has lost its lease ${count} times: leaves the role to others for a while.`);
}

/** Whether another eligible node that is there holds as much as this one had when it won. */
export function isReplaceable({ state, now, config }: Turn, within?: Duration): boolean {
  const { wonWith, positions } = state;
  // An agent that has just started beside its server knows nobody yet.
  if (wonWith === null) return true;
  return eligibleNodes(config).some((node) => {
    if (node === config.node || !isHeard(state, now, config, node, within)) return false;
    return comparePositions(positions[node] ?? nothing, wonWith) >= 0;
  });
}

/** Takes back everything that belongs to holding. */
export function dropRole(turn: Turn): void {
  updateRun(turn, { held: null });
  update(turn, { round: null, leader: null, joining: [], leaving: [], agentUnitEpoch: -1 });
  disarm(turn, 'renew');
  disarm(turn, 'fence');
}
