/**
 * L12: two histories that a forced promotion may have made, and how they become one on contact.
 *
 * A node whose list is itself alone asks nobody for the lease, so nobody could tell it that the
 * other one was promoted by force meanwhile. It therefore tells its record to the others during its
 * silence; whoever knows a higher epoch answers with its own. Nobody else can have won an epoch
 * without this node's vote unless by force, so a higher one makes the list void.
 * Without contact nothing is promised: two masters until then, which the command says.
 */
import type {
  Announce,
  Learned,
  MemberList,
  NodeName,
} from '../../../shared/protocol/lease-messages.ts';
import { after, milliseconds } from '../../../shared/time/duration.ts';
import { arm, explain, send, type Turn } from '../turn.ts';
import type { CoreConfig } from '../types.ts';
import { hearLiving } from './forced.ts';
import { overtaken } from './holder.ts';
import { foundingList } from './member-list.ts';
import { others } from './roles.ts';
import { isSilent } from './silence.ts';
import { scheduleAttempt } from './vacancy.ts';
import { recordEpoch } from './voter.ts';

/** Marks a `learned` that nobody asked for. */
const contactRequest = 'contact';

const repeatAfter = milliseconds(1000);

const isAlone = (list: MemberList, config: CoreConfig): boolean =>
  list.committed && list.members.every((member) => member === config.node);

/** From the start to the end of the silence, by the timer `learn`. */
export function seekContact(turn: Turn): void {
  const { state, now, config } = turn;
  if (state.disk === null || !isSilent(state, now) || !isAlone(state.disk.list, config)) return;
  for (const node of others(config)) tellRecord(turn, node);
  arm(turn, 'learn', after(now, repeatAfter));
}

function tellRecord(turn: Turn, to: NodeName): void {
  const { disk } = turn.state;
  if (disk === null) return;
  const { highest_epoch, epoch_owner, list } = disk;
  const request = contactRequest;
  send(turn, to, { kind: 'learned', request, answer: 'record', highest_epoch, epoch_owner, list });
}

/** False when the message is an answer to something else. */
export function hearContact(turn: Turn, from: NodeName, message: Learned): boolean {
  if (message.request !== contactRequest) return false;
  hearLiving(turn, from);
  const { disk } = turn.state;
  const { highest_epoch: epoch, epoch_owner: owner } = message;
  if (disk === null || owner === null || epoch === disk.highest_epoch) return true;
  if (epoch < disk.highest_epoch) {
    tellRecord(turn, from);
  } else if (isAlone(disk.list, turn.config)) {
    overtaken(turn, epoch, owner, from);
    explain(turn, `learns from ${from} that ${owner} was promoted without it (epoch ${epoch}).`);
    recordEpoch(turn, epoch, owner, listUnder(disk.list, epoch, owner, turn.config));
    scheduleAttempt(turn);
  }
  return true;
}

/** Whoever announces an epoch below one that was granted is told at once. */
export function correct(turn: Turn, from: NodeName, message: Announce): void {
  const known = turn.state.disk?.highest_epoch ?? 0;
  if (message.master === from && message.epoch < known) tellRecord(turn, from);
}

/**
 * The list in force after a higher epoch: of a list of one nothing is left, and the master's vote
 * is needed from here on; its answer tells its true list.
 */
export function listUnder(
  list: MemberList,
  epoch: number,
  master: NodeName,
  config: CoreConfig,
): MemberList {
  return isAlone(list, config) ? { ...foundingList([master]), epoch } : list;
}
