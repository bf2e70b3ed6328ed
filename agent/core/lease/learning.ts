/**
 * L9: a voter without a record (a new card) learns before it votes; and the founding of a cluster
 * that has never had one.
 *
 * After its silence the node asks the configured voters, under a new request each time; only
 * answers to the newest count. A majority of the **others** on the newest list they tell teaches
 * it: nodes that are off the list may have missed every epoch since. A cluster is
 * founded only when every single configured voter says that it is fresh: one that cannot be asked
 * may hold a record. Voters end their silence one after the other, so the first one founds before
 * the next one asks; its record counts as fresh for whoever knew it without a record in this life
 * and finds nothing in it but the founding. `baton found` ends the wait by hand, where no majority
 * can answer.
 */
import type { Learn, Learned, NodeName } from '../../../shared/protocol/lease-messages.ts';
import { after, type Instant, milliseconds } from '../../../shared/time/duration.ts';
import type { LearnedAnswer, Learning } from '../state.ts';
import { arm, disarm, explain, reply, send, type Turn, update, updateDisk } from '../turn.ts';
import type { DiskRecord } from '../types.ts';
import { compareLists, foundingList, listsInForce, newerList } from './member-list.ts';
import { rowsElsewhere } from './positions.ts';
import { configuredVoters, isEligible, isVoter, takesPart } from './roles.ts';
import { emptyRefusal } from './rows.ts';
import { isSilent } from './silence.ts';
import { scheduleAttempt } from './vacancy.ts';
import { newestWall } from './wall.ts';

const repeatAfter = milliseconds(1000);

const others = (turn: Turn): readonly NodeName[] =>
  configuredVoters(turn.config).filter((node) => node !== turn.config.node);

/** The timer `learn`: asks, or asks anew. Does nothing once there is a record. */
export function learn(turn: Turn): void {
  const { state, now, config } = turn;
  if (state.disk !== null || !takesPart(config)) return;
  // L9: answers that came during the silence would be too old (they are bound to no request).
  if (isSilent(state, now)) {
    arm(turn, 'learn', state.run.silent_until);
    return;
  }
  const request = `${state.nonce}:${Math.floor(now)}`;
  const earlier = toldSoFar(state.learning);
  update(turn, { learning: { request, answers: {}, earlier } });
  const asking: Learn = { kind: 'learn', request };
  for (const node of others(turn)) send(turn, node, asking);
  arm(turn, 'learn', after(now, repeatAfter));
  conclude(turn);
}

/** Answers somebody who learns. Without a record it says so, which only founding counts. */
export function answerLearn(turn: Turn, from: NodeName, message: Learn): void {
  const { disk } = turn.state;
  if (!isVoter(turn.config, turn.config.node)) return;
  rememberRecordless(turn, from);
  const answer: Learned = {
    kind: 'learned',
    request: message.request,
    answer: disk === null ? 'fresh' : 'record',
    highest_epoch: disk?.highest_epoch ?? 0,
    epoch_owner: disk?.epoch_owner ?? null,
    list: disk?.list ?? null,
  };
  send(turn, from, answer);
}

/** A voter asks, or says `fresh`, only while it holds no record. */
function rememberRecordless(turn: Turn, node: NodeName): void {
  const { recordless, disk } = turn.state;
  if (disk !== null || recordless.includes(node)) return;
  update(turn, { recordless: [...recordless, node] });
}

export function hearLearned(turn: Turn, from: NodeName, message: Learned): void {
  const { learning, disk } = turn.state;
  if (learning === null || disk !== null || learning.request !== message.request) return;
  if (!others(turn).includes(from)) return;
  const { answer, highest_epoch, epoch_owner, list } = message;
  if (answer === 'fresh') rememberRecordless(turn, from);
  const answers = { ...learning.answers, [from]: { answer, highest_epoch, epoch_owner, list } };
  update(turn, { learning: { ...learning, answers } });
  conclude(turn);
}

function conclude(turn: Turn): void {
  const { learning, recordless } = turn.state;
  if (learning === null) return;
  const asked = others(turn);
  const answers = Object.values(learning.answers);
  const isFresh = ([node, answer]: [NodeName, LearnedAnswer]): boolean =>
    answer.answer === 'fresh' || (recordless.includes(node) && isFounding(turn, answer));
  const record = newestRecord(turn, records(learning.answers));
  if (isTaught(turn, record)) {
    settle(turn, record, `learned epoch ${record.highest_epoch} from the others.`);
  } else if (answers.length === asked.length && Object.entries(learning.answers).every(isFresh)) {
    settle(turn, founding(turn), 'founds the cluster: every voter is fresh.');
  }
}

/** A record that nothing was ever granted under. */
const isFounding = (turn: Turn, { highest_epoch, epoch_owner, list }: LearnedAnswer): boolean =>
  highest_epoch === 0 &&
  epoch_owner === null &&
  list !== null &&
  compareLists(list, founding(turn).list) === 0;

/**
 * Whoever granted an epoch with this node, or changed the list with it, is a majority of a list in
 * force, this node included; a majority of that list's others shares a node with it.
 */
function isTaught(turn: Turn, { list }: DiskRecord): boolean {
  const answers = turn.state.learning?.answers ?? {};
  return listsInForce(list).every((members) => {
    const asked = members.filter((node) => node !== turn.config.node);
    const taught = asked.filter((node) => answers[node]?.answer === 'record');
    return taught.length * 2 > asked.length;
  });
}

const records = (answers: Learning['answers']): Learning['answers'] =>
  Object.fromEntries(Object.entries(answers).filter(([, { answer }]) => answer === 'record'));

/** Of all requests of this start: what a node told counts although it may be gone by now. */
const toldSoFar = (learning: Learning | null): Learning['earlier'] =>
  learning === null ? {} : { ...learning.earlier, ...records(learning.answers) };

/** The newest that the answers tell; the founding record when none holds one. */
function newestRecord(turn: Turn, answers: Learning['answers']): DiskRecord {
  let record = founding(turn);
  for (const { highest_epoch, epoch_owner, list } of Object.values(answers)) {
    if (highest_epoch > record.highest_epoch) {
      // An epoch was granted: rows may exist (L14).
      record = { ...record, highest_epoch, epoch_owner, served: true };
    }
    if (list !== null) record = { ...record, list: newerList(list, record.list) };
  }
  return record;
}

const founding = (turn: Turn): DiskRecord => ({
  version: 1,
  highest_epoch: 0,
  epoch_owner: null,
  list: foundingList(configuredVoters(turn.config)),
  newest_wall_ms: newestWall(turn.state, turn.now),
  served: false,
});

function settle(turn: Turn, record: DiskRecord, sentence: string): void {
  updateDisk(turn, record);
  update(turn, { learning: null });
  disarm(turn, 'learn');
  explain(turn, sentence);
  scheduleAttempt(turn);
}

/** `baton found`: the operator says that nobody else holds a record. */
export function foundByCommand(turn: Turn, id: string): void {
  const { disk, run } = turn.state;
  if (disk !== null && beginsEmpty(turn)) {
    updateDisk(turn, { ...disk, served: false });
    explain(turn, 'may begin an empty cluster, by the operator’s command (L14).');
    scheduleAttempt(turn);
    reply(turn, id, true, 'This node may begin an empty cluster now.');
  } else if (disk !== null) {
    const mayServe = run.held === null && isEligible(turn.config, turn.config.node);
    const empty = mayServe ? emptyRefusal(turn.state, turn.now, turn.config) : null;
    const record = `it has a record already (epoch ${disk.highest_epoch})`;
    reply(turn, id, false, `Nothing to found: ${empty ?? record}.`);
  } else if (isSilent(turn.state, turn.now)) {
    reply(turn, id, false, `Still silent after the start, ${left(turn, run.silent_until)} s left.`);
  } else {
    // L9: the command ends the wait; what could be learned meanwhile still counts, and what was
    // told to an earlier request, by a node that may be gone now.
    const record = newestRecord(turn, toldSoFar(turn.state.learning));
    const known = record.highest_epoch === 0 ? '' : ` from epoch ${record.highest_epoch}`;
    settle(turn, record, `founds the cluster${known} by the operator’s command.`);
    reply(turn, id, true, 'Founded. Where another voter stays without a record, run it there too.');
  }
}

/** The empty node that waits for others’ rows: the operator says that there are none. */
const beginsEmpty = ({ state, now, config }: Turn): boolean =>
  state.run.held === null &&
  rowsElsewhere(state) === null &&
  emptyRefusal(state, now, config) !== null;

const left = (turn: Turn, until: Instant): number => Math.ceil((until - turn.now) / 1000);
