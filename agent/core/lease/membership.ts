/**
 * L10: the member list changes, one voter in or out at a time.
 *
 * Only the holder changes it: the new list is written uncommitted under its epoch, counts together
 * with its predecessor, and is committed once a granted round has shown that majorities of both
 * know it. The next change waits for that. Voters ask to be let go (an orderly shutdown) and to be
 * taken in (a return); one that has been dead for `retireAfter` is taken out.
 */
import type {
  Learned,
  MemberList,
  Membership,
  NodeName,
} from '../../../shared/protocol/lease-messages.ts';
import { after, milliseconds } from '../../../shared/time/duration.ts';
import type { CoreState } from '../state.ts';
import {
  arm,
  disarm,
  explain,
  reply,
  send,
  type Turn,
  update,
  updateDisk,
  updateRun,
} from '../turn.ts';
import { changedList, compareLists, hasMajority } from './member-list.ts';
import { isHeard } from './presence.ts';
import { isVoter } from './roles.ts';
import { listIsKnown } from './rounds.ts';
import { isSilent } from './silence.ts';
import { otherMaster } from './vacancy.ts';
import { adoptList } from './voter.ts';

/** How often an unanswered wish is sent again. */
const repeatWish = milliseconds(1000);

/** One voter in or out. */
interface Change {
  readonly list: MemberList;
  readonly why: string;
  readonly joiner: NodeName | null;
}

/** As holder, before a round: the one change that is due, if any. */
export function changeMembers(turn: Turn): void {
  const { disk, run } = turn.state;
  if (disk === null || run.held === null || run.held.stage !== 'serving') return;
  if (!disk.list.committed) return;
  const change = dueChanges(turn, disk.list, run.held.epoch).find((one) => commitsSoon(turn, one));
  if (change === undefined) return;
  const { list, why, joiner } = change;
  updateDisk(turn, { ...disk, list });
  if (joiner !== null) update(turn, { takenIn: { ...turn.state.takenIn, [joiner]: turn.now } });
  explain(turn, why);
}

/** By urgency: who leaves in order, who returns, the holder itself, who is silent for too long. */
function dueChanges(turn: Turn, list: MemberList, epoch: number): readonly Change[] {
  const { state, config } = turn;
  const { members } = list;
  const out = (node: NodeName, cause: string): Change => {
    const why = `takes ${node} out of the voters: ${cause}.`;
    return { list: changedList(list, epoch, { remove: node }), why, joiner: null };
  };
  const leavers = members.filter((node) => state.leaving.includes(node));
  // Who won with the votes of a list that lacks it has nobody to ask but itself.
  const joiners = state.stopping ? state.joining : [...state.joining, config.node];
  const taken = joiners
    .filter((node) => !members.includes(node) && isVoter(config, node))
    .map((joiner) => {
      const why = `takes ${joiner} in as a voter.`;
      return { list: changedList(list, epoch, { add: joiner }), why, joiner };
    });
  const dead = deadVoter(turn);
  return [
    ...(members.length > 1 ? leavers.map((node) => out(node, 'it leaves in order')) : []),
    ...taken,
    ...(dead === undefined ? [] : [out(dead, 'it has been silent too long')]),
  ];
}

/**
 * Whether those who are there can commit it: who accepted the last round, and the joiner if it has
 * been heard lately. A change that waits for somebody who is gone binds both lists meanwhile, and
 * a majority of the old one alone could elect nobody.
 */
function commitsSoon(turn: Turn, { list, joiner }: Change): boolean {
  const { state, now, config } = turn;
  const { round, disk } = state;
  if (round === null || !round.granted || disk === null) return false;
  if (compareLists(round.list, disk.list) !== 0) return false;
  const there = new Set(round.accepts);
  if (joiner !== null && joiner !== config.node) {
    if (!isHeard(state, now, config, joiner)) return false;
    there.add(joiner);
  }
  return hasMajority(list, there);
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

/** As holder: somebody's wish, answered with the list as it is. */
export function hearMembership(turn: Turn, from: NodeName, message: Membership): void {
  const { state, config } = turn;
  const { disk, run } = state;
  if (run.held === null || disk === null || !isVoter(config, from)) return;
  const answer: Learned = {
    kind: 'learned',
    request: message.request,
    answer: 'record',
    highest_epoch: disk.highest_epoch,
    epoch_owner: disk.epoch_owner,
    list: disk.list,
  };
  send(turn, from, answer);
  const within = disk.list.members.includes(from);
  const without = (nodes: readonly NodeName[]) => nodes.filter((node) => node !== from);
  const withIt = (nodes: readonly NodeName[]) => (nodes.includes(from) ? nodes : [...nodes, from]);
  const { joining, leaving } = state;
  // One that is fulfilled already only takes the opposite one back.
  if (message.wish === 'join') {
    update(turn, { joining: within ? joining : withIt(joining), leaving: without(leaving) });
  } else {
    update(turn, { joining: without(joining), leaving: within ? withIt(leaving) : leaving });
  }
}

/** As holder: a voter that starts anew stays, whatever it wished in its last life. */
export function forgetLeave(turn: Turn, node: NodeName): void {
  const { leaving } = turn.state;
  if (!leaving.includes(node)) return;
  update(turn, { leaving: leaving.filter((one) => one !== node) });
}

/** A voter that no holder asks, although there is one, wants to be on its list again. */
export function wishToJoin(turn: Turn, master: NodeName): void {
  const { state, now, config } = turn;
  const { disk, run } = state;
  if (disk === null || run.left || !isVoter(config, config.node) || isSilent(state, now)) return;
  const forgotten = now - state.lastProposed > 2 * config.leaseDuration;
  if (disk.list.members.includes(config.node) && !forgotten) return;
  send(turn, master, { kind: 'membership', wish: 'join', request: requestOf(state, 'join') });
}

const requestOf = (state: CoreState, wish: Membership['wish']): string => `${state.nonce}:${wish}`;

/** The holder's answer to a wish; one to a wish to join, come late, ends no leave. */
export function hearWishAnswer(turn: Turn, message: Learned): boolean {
  const toLeave = message.request === requestOf(turn.state, 'leave');
  if (!toLeave && message.request !== requestOf(turn.state, 'join')) return false;
  if (message.list !== null) adoptList(turn, message.list);
  if (toLeave && goWhenLeft(turn)) disarm(turn, 'retire');
  return true;
}

/** An orderly shutdown of a node that holds nothing: out of the voters first. */
export function beginLeaving(turn: Turn): void {
  updateRun(turn, { left: true });
  explain(turn, 'leaves the voters before it is switched off.');
  repeatLeave(turn);
}

/**
 * The timer `retire`: repeats the wish until the holder's answer shows that the list lacks this
 * node. Its own copy may be of before a wish to join that the holder still has, and counts only
 * where no holder is heard, for as long as one that is there may be silent.
 */
export function repeatLeave(turn: Turn): void {
  const { state, config } = turn;
  if (!state.run.left) return;
  const master = isVoter(config, config.node) ? livingMaster(turn) : null;
  const known = turn.now - state.countingSince > config.leaseDuration;
  if (master === null && known && goWhenLeft(turn)) return;
  if (master !== null) {
    const request = requestOf(state, 'leave');
    send(turn, master, { kind: 'membership', wish: 'leave', request });
  }
  arm(turn, 'retire', after(turn.now, repeatWish));
}

/** Another node that has said within a lease that it is the master. */
function livingMaster({ state, now, config }: Turn): NodeName | null {
  const leader = otherMaster(state, config);
  if (leader === null) return null;
  return now - leader.heardAt <= config.leaseDuration ? leader.master : null;
}

/**
 * True when nothing asks for this node's vote any more; tells the shell once it is so. A list that
 * is not committed may need the vote yet.
 */
function goWhenLeft(turn: Turn): boolean {
  const { state, config } = turn;
  if (!state.run.left) return false;
  const list = state.disk?.list;
  const votes = list !== undefined && (list.members.includes(config.node) || !list.committed);
  if (votes && isVoter(config, config.node)) return false;
  if (state.stopping) reply(turn, 'shutdown', true, 'left the voters');
  return true;
}
