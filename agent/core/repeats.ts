/**
 * Which events a caller feeds again after their turn failed for a full disk (duty 1 in types.ts).
 * Messages and readings repeat by themselves, unless their turn has stopped a server already: then
 * the role must not be kept without one.
 */
import type { AgentEvent, Effect } from './types.ts';

const once: ReadonlySet<AgentEvent['kind']> = new Set([
  'started',
  'timer',
  'step_done',
  'server_exited',
  'command',
  'stopping',
]);

/** `effects`: those of the failed turn; a fence comes before any record (turn.ts). */
export const mustRepeat = (event: AgentEvent, effects: readonly Effect[]): boolean =>
  once.has(event.kind) || effects.some(({ kind }) => kind === 'fence');
