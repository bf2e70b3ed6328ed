/**
 * Which events come once: when the turn of one of them fails for a full disk, nobody says it again,
 * and the caller has to (duty 1 in types.ts). Messages and readings repeat by themselves, timers
 * are armed anew by the core.
 */
import type { AgentEvent } from './types.ts';

const once: ReadonlySet<AgentEvent['kind']> = new Set([
  'started',
  'step_done',
  'server_exited',
  'command',
  'stopping',
]);

export const isSaidOnce = (event: AgentEvent): boolean => once.has(event.kind);
