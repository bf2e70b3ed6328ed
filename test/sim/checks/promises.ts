/**
 * What `baton promote` promised: whoever was told yes serves soon, unless the other is heard.
 *
 * Seen as by the operator, who reads the answer and knows that the other node is dead. The promise
 * ends with the agent's process, which keeps it in memory only, with a boot of anybody, and with
 * whatever arrives in another's name, be it late or repeated by a broker that lies.
 */
import type { AgentEvent, Effect } from '../../../agent/core/types.ts';
import type { Machine, World } from '../world.ts';

type Reply = Extract<Effect, { kind: 'reply' }>;

export interface Promised {
  /** True time of the answer, ms. */
  readonly at: number;
  readonly life: number;
  /** Boots of all machines until then. */
  readonly boots: number;
}

const bootsOf = ({ machines }: World): number =>
  machines.reduce((sum, { boots }) => sum + boots, 0);

/** The person who gave the command has read the answer. */
export function noteReply(world: World, machine: Machine, event: AgentEvent, reply: Reply): void {
  if (event.kind !== 'command' || event.command.name !== 'promote') return;
  if (!reply.ok || reply.id !== event.id) return;
  machine.promised = { at: world.now, life: machine.life, boots: bootsOf(world) };
}

export function noteHeard(machine: Machine, event: AgentEvent): void {
  if (event.kind === 'message' && event.from !== machine.name) machine.promised = null;
}

/** Since when the machine owes a server by its word; null when it does not. */
export function promisedSince(world: World, machine: Machine): number | null {
  const { promised } = machine;
  if (promised === null || promised.life !== machine.life) return null;
  const isAlone = world.machines.every((other) => other === machine || !other.powered);
  return isAlone && promised.boots === bootsOf(world) ? promised.at : null;
}
