/**
 * L12: `baton promote --i-know-the-other-is-dead`, for two voters without a witness.
 *
 * It waits until the node's own lock has run out, then writes the list {self} under a higher epoch.
 * A pinned master that lives is not stopped by it before contact: two masters until then, which the
 * command says before it asks. On contact the lower epoch fences itself.
 */

import type { NodeName } from '../../../shared/protocol/lease-messages.ts';
import { after, type Instant, instant } from '../../../shared/time/duration.ts';
import type { CoreState } from '../state.ts';
import { arm, explain, reply, type Turn, update, updateDisk, updateRun } from '../turn.ts';
import type { CoreConfig } from '../types.ts';
import { nextEpoch } from './epochs.ts';
import { foundingList } from './member-list.ts';
import { rowsElsewhere } from './positions.ts';
import { isEligible, isVoter } from './roles.ts';
import { emptyRefusal } from './rows.ts';
import { foreignLock, otherMaster, scheduleAttempt } from './vacancy.ts';

/** The command: refused where an election can do it, otherwise it waits for the own lock. */
export function scheduleForced(turn: Turn, id: string): void {
  const { state, now, config } = turn;
  const { disk, run } = state;
  const empty = emptyRefusal(state, now, config);
  if (disk === null || !isEligible(config, config.node)) {
    reply(turn, id, false, 'This node can’t become master: not eligible, or without a record.');
  } else if (!isVoter(config, config.node) || run.left) {
    reply(turn, id, false, 'This node has no vote, or has left the voters: it can’t elect itself.');
  } else if (run.held !== null) {
    reply(turn, id, false, 'This node is the master already.');
  } else if (empty !== null) {
    reply(turn, id, false, `Not promoted: ${empty}.`);
  } else if (disk.list.members.length > 2) {
    const voters = disk.list.members.join(', ');
    reply(turn, id, false, `The voters are ${voters}: a majority of them decides by itself.`);
  } else {
    update(turn, { forced: true });
    const until = soonestForced(state, now, config);
    const wait = Math.ceil((until - now) / 1000);
    reply(turn, id, true, `Promotes itself alone in ${wait} s, unless the other is heard.`);
    arm(turn, 'sit-out', until);
  }
}

/**
 * When this node's own lock and its silence are over, and a master has had a lease's time to be
 * heard: since it was heard last, with a lock or without one (a voter that is not on the list), and
 * since this process began, which remembers nobody.
 */
function soonestForced(state: CoreState, now: Instant, config: CoreConfig): Instant {
  const leader = otherMaster(state, config);
  const lock = foreignLock(state, now, config) ?? 0;
  const heard = leader !== null ? after(leader.heardAt, config.leaseDuration) : 0;
  const begun = after(state.countingSince, config.leaseDuration);
  return instant(Math.max(lock, heard, begun, state.run.silent_until, now));
}

/** Whoever hears the other has promised nothing any more. */
export function hearLiving(turn: Turn, from: NodeName): void {
  if (!turn.state.forced) return;
  update(turn, { forced: false });
  explain(turn, `is not promoted alone after all: ${from} lives.`);
}

/** The timer after the wait: from here on this node's vote is enough. */
export function forceNow(turn: Turn): void {
  const { state, now, config } = turn;
  const { disk, run } = state;
  if (!state.forced || disk === null || run.held !== null) return;
  const why = run.left ? 'it has left the voters' : 'its replica is gone';
  if (run.left || rowsElsewhere(state) !== null) {
    update(turn, { forced: false });
    explain(turn, `is not promoted alone after all: ${why}.`);
    return;
  }
  const until = soonestForced(state, now, config);
  if (until > now) {
    arm(turn, 'sit-out', until);
    return;
  }
  const alone = foundingList([config.node]);
  const epoch = nextEpoch(disk.highest_epoch, alone, config);
  const list = { ...alone, epoch };
  updateDisk(turn, { ...disk, highest_epoch: epoch, epoch_owner: config.node, list });
  updateRun(turn, { yield_until: instant(0), cold_until: instant(0), sit_out_until: instant(0) });
  update(turn, { forced: false, leader: null, attempts: 0 });
  explain(turn, 'is the only voter from now on, by the operator’s command (L12).');
  scheduleAttempt(turn);
}
