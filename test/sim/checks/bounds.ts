/**
 * Memory and queues are bounded: at the end of a schedule no core's state has grown with what it
 * went through. Messages under way are counted while the schedule runs (schedule.ts).
 */
import type { World } from '../world.ts';

/** Characters of a core's state as JSON, per node of the cluster, and for the reasons kept. */
const perNode = 1500;
const forReasons = 20_000;

/** Text of the breach, or null. Looked at in a part of the schedules, for it costs time. */
export function stateIsTooBig(world: World): string | null {
  if (world.plan.seed % 16 !== 0) return null;
  const bound = forReasons + perNode * world.machines.length;
  for (const machine of world.machines) {
    if (!machine.up) continue;
    const size = JSON.stringify(machine.state).length;
    if (size > bound) return `${machine.name} keeps ${size} characters of state, ${bound} allowed`;
  }
  return null;
}
