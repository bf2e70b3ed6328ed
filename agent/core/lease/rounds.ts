/**
 * Rounds of Propose and Accept (L5, L6, L7, L10, L11), for a candidate and for a holder alike.
 *
 * One row of round numbers serves all ballots of a start and is in /run before a round is sent, so
 * that no round is used twice. Only the newest round counts: answers of two are never added up.
 */
import type { Accept, Ballot, NodeName, Propose } from '../../../shared/protocol/lease-messages.ts';
import type { RoundTally } from '../state.ts';
import { send, type Turn, update, updateRun } from '../turn.ts';
import { isSameBallot } from './ballot.ts';
import { asked, compareLists, hasMajority, hasRenewalQuorum } from './member-list.ts';
import { knownPositions } from './positions.ts';
import { isVoter } from './roles.ts';
import { answerPropose } from './voter.ts';
import { ownWall } from './wall.ts';

/**
 * Sends the next round to everybody on the lists in force; its timer starts now, before anything is
 * sent (L5). The own voter answers by the same rules as any other (L7).
 * True when the own voter's answer alone grants it.
 */
export function sendRound(
  turn: Turn,
  ballot: Ballot,
  epoch: number,
  nonces: Readonly<Record<NodeName, string>>,
): boolean {
  const { state, now, config } = turn;
  const { disk } = state;
  if (disk === null) return false;
  const number = state.run.round + 1;
  const { list } = disk;
  updateRun(turn, { round: number });
  const round: RoundTally = {
    ballot,
    number,
    sentAt: now,
    list,
    nonces,
    accepts: [],
    withList: [],
    granted: false,
  };
  update(turn, { round });
  const propose: Propose = {
    kind: 'propose',
    ballot,
    round: number,
    owner: config.node,
    epoch,
    duration_ms: config.leaseDuration,
    nonces,
    list,
    positions: knownPositions(state, now, config),
    wall_ms: ownWall(state, now),
    wall_synchronised: state.wallSynchronised,
  };
  for (const node of asked(list)) {
    if (node !== config.node && nonces[node] !== undefined) send(turn, node, propose);
  }
  if (!isVoter(config, config.node)) return false;
  // A vote that counts for nothing would raise this node's card above the epoch that others grant.
  if (state.run.held === null && !asked(list).includes(config.node)) return false;
  const answer = answerPropose(turn, config.node, propose);
  return answer.kind === 'accept' && countAccept(turn, config.node, answer);
}

/**
 * Counts one Accept. True exactly once per round: when this answer grants it. A holder's renewal
 * may be granted by half of two voters (L11), winning never is.
 */
export function countAccept(turn: Turn, from: NodeName, message: Accept): boolean {
  const { round, run } = turn.state;
  if (round === null || message.round !== round.number) return false;
  if (!isSameBallot(message.ballot, round.ballot)) return false;
  if (message.nonce !== round.nonces[from] || round.accepts.includes(from)) return false;
  const accepts = [...round.accepts, from];
  // L10: committed once a majority of both lists has shown that it knows this very list.
  const shown = message.list !== null && compareLists(message.list, round.list) === 0;
  const withList = shown ? [...round.withList, from] : round.withList;
  const quorum = new Set(accepts);
  const renewal = run.held !== null && isSameBallot(run.held.ballot, round.ballot);
  const enough =
    !round.granted &&
    (renewal
      ? hasRenewalQuorum(round.list, quorum, turn.config.node)
      : hasMajority(round.list, quorum));
  update(turn, { round: { ...round, accepts, withList, granted: round.granted || enough } });
  if (renewal) noteAccept(turn, from);
  return enough;
}

function noteAccept(turn: Turn, from: NodeName): void {
  update(turn, { lastAccept: { ...turn.state.lastAccept, [from]: turn.now } });
}

/** L10: whether the current round has shown that both lists in force know the newest list. */
export function listIsKnown(round: RoundTally): boolean {
  return hasMajority({ ...round.list, committed: false }, new Set(round.withList));
}
