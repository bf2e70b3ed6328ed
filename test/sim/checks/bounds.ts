/**
 * Memory and queues are bounded: at the end of a schedule no core's state has grown with what it
 * went through. Messages under way are counted while the schedule runs (schedule.ts).
 */
import type { World } from '../world.ts';

/** Characters of a core's state as JSON, per node of the cluster, and for the reasons kept. */
const perNode = 600;
const forTheRest = 2000;
const forReasons = 10_000;

/** Text of the breach, or null. At every schedule's end: it takes one fortieth of the time. */
export function stateIsTooBig(world: World): string | null {
  const bound = forReasons + forTheRest + perNode * world.machines.length;
  for (const machine of world.machines) {
    if (!machine.up) continue;
    const size = JSON.stringify(machine.state).length;
    if (size > bound) return `${machine.name} keeps ${size} characters of state, ${bound} allowed`;
  }
  return null;
}
