/**
 * L14: may a node without rows begin an empty cluster?
 *
 * Every other node would be cut back to it, so it may not while rows are known of or may exist.
 * Positions are in memory and gone after a power cut of all nodes; that a server has served is in
 * the disk record. Then every eligible node must have said that it holds nothing, or the operator
 * must (`baton found`).
 */
import type { Instant } from '../../../shared/time/duration.ts';
import type { CoreState } from '../state.ts';
import { type Turn, updateDisk } from '../turn.ts';
import type { CoreConfig, DiskRecord } from '../types.ts';
import { rowsElsewhere } from './positions.ts';
import { isHeard } from './presence.ts';
import { eligibleNodes } from './roles.ts';

/** A record that does not say (learned, or of an earlier version) says so by its epoch. */
export const hasServed = (disk: DiskRecord | null): boolean =>
  disk !== null && (disk.served ?? disk.highest_epoch > 0);

/** A server serves, here or elsewhere: on disk before anything else happens. */
export function recordServed(turn: Turn): void {
  const { disk } = turn.state;
  if (disk !== null && disk.served !== true) updateDisk(turn, { ...disk, served: true });
}

/** Why this node must not begin an empty cluster, with what to do; null when it may ask. */
export function emptyRefusal(state: CoreState, now: Instant, config: CoreConfig): string | null {
  if (state.datastore.revision > 0) return null;
  const holder = rowsElsewhere(state);
  if (holder !== null) {
    const known = `this node holds nothing, ${holder} is known to hold the cluster’s rows`;
    if (isHeard(state, now, config, holder)) return known;
    // A new card says itself that it holds nothing; who is in no settings is not waited for.
    const remedy = 'on an empty card if its own is lost, or take it out of every node’s settings';
    return `${known}: start it, ${remedy}`;
  }
  if (!hasServed(state.disk)) return null;
  const unheard = eligibleNodes(config).filter(
    (node) => node !== config.node && state.positions[node] === undefined,
  );
  if (unheard.length === 0) return null;
  return (
    'this node holds nothing, and the cluster has had rows: start ' +
    `${unheard.join(', ')}, or begin an empty cluster here with \`baton found\``
  );
}
