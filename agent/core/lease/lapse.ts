/**
 * The end of a tenure without a release (L7): the lease ran out, or a higher epoch was seen.
 *
 * Whoever keeps losing its lease would win it again for ever: its own lock is the one that the
 * voters still hold, and a server that is more than its machine can carry is gone by then. So it
 * sits out after some times, like one whose server keeps ending.
 */
import type { Position } from '../../../shared/protocol/lease-messages.ts';
import {
  after,
  between,
  type Duration,
  milliseconds,
  minutes,
} from '../../../shared/time/duration.ts';
import { disarm, explain, type Turn, update, updateRun } from '../turn.ts';
import { beginLeaving } from './membership.ts';
import { comparePositions } from './positions.ts';
import { isHeard } from './presence.ts';
import { eligibleNodes, isVoter } from './roles.ts';
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

/**
 * As often as a server is started again; but not where nobody could take over. Two leases are
 * enough for whoever can, and no longer: who sits out itself, or fails, can't be told from here.
 */
function countLapse(turn: Turn): void {
  const { now, config } = turn;
  const { lapses, last_lapse: last } = turn.state.run;
  const count = between(last, now) > failureMemory ? 1 : lapses + 1;
  updateRun(turn, { lapses: count, last_lapse: now });
  if (count < config.serverRestarts || !mayBeFollowed(turn)) return;
  const wait = milliseconds(Math.min(config.sitOut, 2 * config.leaseDuration));
  updateRun(turn, { sit_out_until: after(now, wait) });
  const pause = `${Math.ceil(wait / 1000)} s`;
  explain(turn, `has lost its lease ${count} times: leaves the role to others for ${pause}.`);
}

/** Whether somebody else holds what this server had, but for the rows of its last two rounds. */
function mayBeFollowed(turn: Turn): boolean {
  const { earlierHead, wonWith, heard } = turn.state;
  const rows = earlierHead ?? wonWith;
  if (rows !== null) return isReplaceable(turn, rows, turn.config.leaseDuration);
  // An agent that was away for longer than its lease knows nobody yet.
  return Object.keys(heard).length === 0 && eligibleNodes(turn.config).length > 1;
}

/** Whether another eligible node that is there, and may vote if it is a voter, holds these rows. */
export function isReplaceable(
  { state, now, config }: Turn,
  rows: Pick<Position, 'lineage_epoch' | 'revision'>,
  within: Duration = config.fenceAfter,
): boolean {
  const members = state.disk?.list.members ?? [];
  return eligibleNodes(config).some((node) => {
    if (node === config.node || !isHeard(state, now, config, node, within)) return false;
    if (isVoter(config, node) && !members.includes(node)) return false;
    return comparePositions(state.positions[node] ?? nothing, rows) >= 0;
  });
}

/** Takes back everything that belongs to holding. */
export function dropRole(turn: Turn): void {
  updateRun(turn, { held: null });
  update(turn, { round: null, leader: null, joining: [], leaving: [], agentUnitEpoch: -1 });
  disarm(turn, 'renew');
  disarm(turn, 'fence');
}
