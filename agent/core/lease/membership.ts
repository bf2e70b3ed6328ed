/**
 * L10: the member list changes, one voter in or out at a time.
 *
 * Only the holder changes it: the new list is written uncommitted under its epoch, counts together
 * with its predecessor, and is committed once a granted round has shown that majorities of both
 * know it. The next change waits for that. Voters ask to be let go (an orderly shutdown) and to be
 * taken in (a return); one that has been dead for `retireAfter` is taken out.
 */
import type { Learned, Membership, NodeName } from '../../../shared/protocol/lease-messages.ts';
import { after, milliseconds } from '../../../shared/time/duration.ts';
import type { CoreState } from '../state.ts';
import { arm, explain, reply, send, type Turn, update, updateDisk, updateRun } from '../turn.ts';
import { changedList, compareLists } from './member-list.ts';
import { isVoter } from './roles.ts';
import { listIsKnown } from './rounds.ts';
import { isSilent } from './silence.ts';
import { adoptList } from './voter.ts';

/** How often an unanswered wish is sent again. */
const repeatWish = milliseconds(1000);

/** As holder, before a round: the one change that is due, if any. */
export function changeMembers(turn: Turn): void {
  const { state, config } = turn;
  const { disk, run } = state;
  if (disk === null || run.held === null || run.held.stage !== 'serving') return;
  const { list } = disk;
  if (!list.committed) return;
  const leaver = state.leaving.find((node) => list.members.includes(node));
  const joiner = state.joining.find((node) => !list.members.includes(node));
  const dead = leaver === undefined && joiner === undefined ? deadVoter(turn) : undefined;
  const removed = leaver ?? (joiner === undefined ? dead : undefined);
  if (removed !== undefined && list.members.length > 1) {
    const next = changedList(list, run.held.epoch, { remove: removed });
    updateDisk(turn, { ...disk, list: next });
    const why = removed === dead ? 'it has been silent too long' : 'it leaves in order';
    explain(turn, `takes ${removed} out of the voters: ${why}.`);
  } else if (joiner !== undefined && isVoter(config, joiner)) {
    updateDisk(turn, { ...disk, list: changedList(list, run.held.epoch, { add: joiner }) });
    update(turn, { takenIn: { ...state.takenIn, [joiner]: turn.now } });
    explain(turn, `takes ${joiner} in as a voter.`);
  }
}

/** Out of two, none is retired: the change itself needs both, and the holder is pinned (L11). */
function deadVoter(turn: Turn): NodeName | undefined {
  const { state, now, config } = turn;
  const members = state.disk?.list.members ?? [];
  if (members.length <= 2) return undefined;
  return members.find((node) => {
    if (node === config.node) return false;
    const lastSign = Math.max(state.lastAccept[node] ?? 0, state.takenIn[node] ?? 0);
    const since = Math.max(lastSign, state.countingSince);
    return now - since > config.retireAfter;
  });
}

/** Commits the list when the round that was granted has shown it to both majorities. */
export function commitWhenKnown(turn: Turn): void {
  const { round, disk, run } = turn.state;
  if (round === null || disk === null || run.held === null) return;
  if (disk.list.committed || !round.granted || compareLists(round.list, disk.list) !== 0) return;
  if (!listIsKnown(round)) return;
  const list = { ...disk.list, committed: true };
  updateDisk(turn, { ...disk, list });
  update(turn, {
    joining: turn.state.joining.filter((node) => !list.members.includes(node)),
    leaving: turn.state.leaving.filter((node) => list.members.includes(node)),
  });
  explain(turn, `the voters are ${list.members.join(', ')}.`);
  // Told at once: until then a voter that is left needs those who are gone (L10).
  arm(turn, 'renew', turn.now);
}

/** As holder: somebody's wish. One that is fulfilled already is answered with the list. */
export function hearMembership(turn: Turn, from: NodeName, message: Membership): void {
  const { state, config } = turn;
  const { disk, run } = state;
  if (run.held === null || disk === null || !isVoter(config, from)) return;
  const within = disk.list.members.includes(from);
  if (within === (message.wish === 'join')) {
    const answer: Learned = {
      kind: 'learned',
      request: message.request,
      answer: 'record',
      highest_epoch: disk.highest_epoch,
      epoch_owner: disk.epoch_owner,
      list: disk.list,
    };
    send(turn, from, answer);
    return;
  }
  const wishes = message.wish === 'join' ? state.joining : state.leaving;
  if (wishes.includes(from)) return;
  const more = [...wishes, from];
  const other = (message.wish === 'join' ? state.leaving : state.joining).filter(
    (node) => node !== from,
  );
  update(
    turn,
    message.wish === 'join' ? { joining: more, leaving: other } : { leaving: more, joining: other },
  );
}

/** A voter that no holder asks, although there is one, wants to be on its list again. */
export function wishToJoin(turn: Turn, master: NodeName): void {
  const { state, now, config } = turn;
  const { disk, run } = state;
  if (disk === null || run.left || !isVoter(config, config.node) || isSilent(state, now)) return;
  const forgotten = now - state.lastProposed > 2 * config.leaseDuration;
  if (disk.list.members.includes(config.node) && !forgotten) return;
  send(turn, master, { kind: 'membership', wish: 'join', request: wishRequest(state) });
}

const wishRequest = (state: CoreState): string => `${state.nonce}:wish`;

/** The holder's answer to a wish. */
export function hearWishAnswer(turn: Turn, message: Learned): boolean {
  if (message.request !== wishRequest(turn.state)) return false;
  if (message.list !== null) adoptList(turn, message.list);
  goWhenLeft(turn);
  return true;
}

/** An orderly shutdown of a node that holds nothing: out of the voters first. */
export function beginLeaving(turn: Turn): void {
  updateRun(turn, { left: true });
  explain(turn, 'leaves the voters before it is switched off.');
  repeatLeave(turn);
}

/** The timer `retire`: repeats the wish until the list lacks this node. */
export function repeatLeave(turn: Turn): void {
  const { state, config } = turn;
  if (!state.run.left || goWhenLeft(turn)) return;
  const { leader } = state;
  if (leader !== null && leader.master !== config.node) {
    const request = wishRequest(state);
    send(turn, leader.master, { kind: 'membership', wish: 'leave', request });
  }
  arm(turn, 'retire', after(turn.now, repeatWish));
}

/** True when nothing asks for this node's vote any more; tells the shell once it is so. */
function goWhenLeft(turn: Turn): boolean {
  const { state, config } = turn;
  if (!state.run.left) return false;
  const votes = state.disk?.list.members.includes(config.node) ?? false;
  if (votes && isVoter(config, config.node)) return false;
  if (state.stopping) reply(turn, 'shutdown', true, 'left the voters');
  return true;
}
