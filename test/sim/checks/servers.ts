/** P1: at no moment two servers that could answer somebody outside their own machine. */
import { answers } from '../server.ts';
import type { Machine, World } from '../world.ts';

/** Text of the breach, or null. Called whenever a server may have begun to answer. */
export function whoElseAnswers(world: World, machine: Machine): string | null {
  if (!answers(world, machine)) return null;
  for (const other of world.machines) {
    if (other === machine || !answers(world, other)) continue;
    return (
      `${machine.name} (epoch ${machine.server.epoch}) and ` +
      `${other.name} (epoch ${other.server.epoch}) could both answer`
    );
  }
  return null;
}
