/**
 * Who was heard lately, in steps of a second: liveness for people and for L14, never for safety.
 */
import type { NodeName } from '../../../shared/protocol/lease-messages.ts';
import type { Duration, Instant } from '../../../shared/time/duration.ts';
import type { CoreState } from '../state.ts';
import { type Turn, update } from '../turn.ts';
import type { CoreConfig } from '../types.ts';
import { isKnown } from './roles.ts';

const step = 1000;

/** From the node itself, or from one that names it. */
export function noteHeard(turn: Turn, node: NodeName): void {
  if (!isKnown(turn.config, node)) return;
  const before = turn.state.heard[node];
  if (before !== undefined && turn.now - before < step) return;
  update(turn, { heard: { ...turn.state.heard, [node]: turn.now } });
}

/** Within the time in which a master has to be heard, or a longer one. */
export function isHeard(
  { heard }: CoreState,
  now: Instant,
  config: CoreConfig,
  node: NodeName,
  within: Duration = config.fenceAfter,
): boolean {
  const at = heard[node];
  return at !== undefined && now - at <= within;
}
