/**
 * The order in which receivers should try, best first.
 *
 * 1. the better replica: (lineage epoch, revision) (L14, DESIGN section 2);
 * 2. among equals the scout's order (power, storage, load, the user's weight);
 * 3. position in the configuration; 4. name. No coordinator is needed: without a scout 3 and 4 say.
 * A candidate waits rank × stagger, so a wrong rank costs time, never safety.
 */
import type { NodeName, Position } from '../../shared/protocol/lease-messages.ts';
import { comparePositions } from './lease/positions.ts';
import { eligibleNodes } from './lease/roles.ts';
import type { CoreState } from './state.ts';
import type { CoreConfig } from './types.ts';

const nothing = { lineage_epoch: 0, revision: 0 };

/** Sorts `nodes`, best first. `scoutOrder` may lack nodes; those come after the ones it names. */
export function rankReceivers(
  nodes: readonly NodeName[],
  positions: Readonly<Record<NodeName, Pick<Position, 'lineage_epoch' | 'revision'>>>,
  scoutOrder: readonly NodeName[],
  configOrder: readonly NodeName[],
): NodeName[] {
  const place = (order: readonly NodeName[], node: NodeName): number => {
    const index = order.indexOf(node);
    return index < 0 ? order.length : index;
  };
  return [...nodes].sort(
    (a, b) =>
      comparePositions(positions[b] ?? nothing, positions[a] ?? nothing) ||
      place(scoutOrder, a) - place(scoutOrder, b) ||
      place(configOrder, a) - place(configOrder, b) ||
      (a < b ? -1 : a > b ? 1 : 0),
  );
}

/** The receivers as this node sees them; itself included, `without` left out. */
export function receiversByRank(
  state: CoreState,
  config: CoreConfig,
  without: NodeName | null,
): NodeName[] {
  return rankWith(ownRow(state, config), state, config, without);
}

function rankWith(
  own: Position,
  state: CoreState,
  config: CoreConfig,
  without: NodeName | null,
): NodeName[] {
  const positions = { ...state.positions, [config.node]: own };
  const order = eligibleNodes(config);
  const nodes = order.filter((node) => node !== without);
  return rankReceivers(nodes, positions, state.scoutOrder, order);
}

const ownRow = (state: CoreState, config: CoreConfig): Position => ({
  node: config.node,
  lineage_epoch: state.datastore.lineageEpoch,
  revision: state.datastore.revision,
  word: { nonce: state.nonce, sequence: 0 },
});

/**
 * How many receivers should try before this node. The last master comes last: it has just let its
 * lease run out, and its head is ahead of everybody's by nature.
 *
 * All receivers order by the same list, the master's last. With its own newer row in place of that,
 * each would put itself first while writes flow, and they would ask at the same moment.
 */
export function ownRank(state: CoreState, config: CoreConfig): number {
  const lastOwner = state.leader?.master ?? state.disk?.epoch_owner ?? null;
  const passed = lastOwner === config.node ? null : lastOwner;
  const row = ownRow(state, config);
  // A master that stopped in order had told the last revision to everybody.
  const told = state.leader?.stage === 'stopped' ? null : state.ownAsTold;
  const own = told !== null && comparePositions(told, row) <= 0 ? told : row;
  return Math.max(0, rankWith(own, state, config, passed).indexOf(config.node));
}
