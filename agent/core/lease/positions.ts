/**
 * L14: how far each replica goes, and whose word about it counts.
 *
 * Positions are (epoch of the last row, revision) in that order: never by the highest epoch a node
 * has heard of, for hearing of an epoch copies no rows. They live in memory and decide who should
 * win, never who may: no safety rests on them.
 */
import type { NodeName, Position } from '../../../shared/protocol/lease-messages.ts';
import type { Instant } from '../../../shared/time/duration.ts';
import type { CoreState } from '../state.ts';
import { type Turn, update } from '../turn.ts';
import type { CoreConfig } from '../types.ts';
import { isEligible, isKnown } from './roles.ts';

/**
 * Stands for a start that this node has not heard of yet; a legal nonce, so that it may be sent.
 */
export const UNKNOWN_START = '0'.repeat(16);

/** Negative when `a` goes less far than `b`, 0 when they are equal. */
export const comparePositions = (
  a: { readonly lineage_epoch: number; readonly revision: number },
  b: { readonly lineage_epoch: number; readonly revision: number },
): number => a.lineage_epoch - b.lineage_epoch || a.revision - b.revision;

/**
 * This node's word about itself. The sequence is the boot clock: it rises within a start nonce and
 * also across a restart of the process, without being written anywhere.
 */
export const ownPosition = (state: CoreState, now: Instant, config: CoreConfig): Position => ({
  node: config.node,
  lineage_epoch: state.datastore.lineageEpoch,
  revision: state.datastore.revision,
  word: { nonce: state.nonce, sequence: Math.floor(now) },
});

/**
 * Whether `told` replaces `known`. Of one start, the later word counts, and of one word the further
 * position (the master adds acknowledgements to a receiver's last word). Words of two starts can't
 * be ordered by themselves: what a node says itself counts, even downwards (a replica in RAM is
 * gone after a reboot); what others repeat of another start does not replace it.
 */
export function replaces(told: Position, known: Position | undefined, direct: boolean): boolean {
  if (known === undefined) return true;
  if (told.word.nonce !== known.word.nonce) return direct || known.word.nonce === UNKNOWN_START;
  if (told.word.sequence !== known.word.sequence) return told.word.sequence > known.word.sequence;
  return comparePositions(told, known) > 0;
}

/** Takes in what `from` tells about itself and others; words about this node are ignored. */
export function hearPositions(turn: Turn, from: NodeName, told: readonly Position[]): void {
  const { positions } = turn.state;
  let merged: Record<NodeName, Position> | null = null;
  for (const position of told) {
    if (position.node === turn.config.node || !isEligible(turn.config, position.node)) continue;
    const known = (merged ?? positions)[position.node];
    if (replaces(position, known, position.node === from)) {
      merged ??= { ...positions };
      merged[position.node] = position;
    } else if (known !== undefined && comparePositions(position, known) > 0) {
      update(turn, { rumours: { ...turn.state.rumours, [position.node]: position } });
    }
  }
  if (merged !== null) update(turn, { positions: merged });
  if (turn.state.rumours[from] !== undefined) {
    const { [from]: _answered, ...rumours } = turn.state.rumours;
    update(turn, { rumours });
  }
}

/** What the proposer `from` tells everybody about this node. */
export function hearOwnAsTold(turn: Turn, from: NodeName, told: readonly Position[]): void {
  const { node } = turn.config;
  if (from === node) return;
  const own = told.find((position) => position.node === node);
  if (own !== undefined) update(turn, { ownAsTold: own });
}

/** As master: the stream's acknowledgement, newer than the receiver's own last message. */
export function hearAcknowledgement(
  turn: Turn,
  receiver: NodeName,
  lineageEpoch: number,
  revision: number,
): void {
  if (!isKnown(turn.config, receiver) || receiver === turn.config.node) return;
  const word = turn.state.positions[receiver]?.word ?? { nonce: UNKNOWN_START, sequence: 0 };
  const position = { node: receiver, lineage_epoch: lineageEpoch, revision, word };
  update(turn, { positions: { ...turn.state.positions, [receiver]: position } });
}

/** Own datastore first, then everything known of the others. */
export function knownPositions(
  state: CoreState,
  now: Instant,
  config: CoreConfig,
): readonly Position[] {
  const known = Object.values(state.positions);
  return isEligible(config, config.node) ? [ownPosition(state, now, config), ...known] : known;
}

/**
 * L13: whether this node was named by the holder of `epoch`, and its replica ends where that one's
 * rows did. The word may be late: a replica of another start, or of a lost card, holds less.
 */
export function holdsLastRevision({ run, datastore }: CoreState, epoch: number): boolean {
  const { handed } = run;
  if (handed?.epoch !== epoch || datastore.lineageEpoch !== epoch) return false;
  return datastore.revision === handed.revision;
}

/**
 * A node without rows is no replica: its server would begin an empty cluster, to which every other
 * node would then be cut back. So it leaves the role alone while it knows of anybody with rows,
 * reachable or not; only where nobody is known to hold any, it may begin one (L14).
 */
export function rowsElsewhere({ datastore, positions }: CoreState): NodeName | null {
  if (datastore.revision > 0) return null;
  return Object.values(positions).find(({ revision }) => revision > 0)?.node ?? null;
}
