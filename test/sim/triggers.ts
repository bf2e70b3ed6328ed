/** Faults that wait for a step or a message instead of a moment: each strikes once. */
import type { Step } from '../../agent/core/types.ts';
import type { LeaseMessageKind } from '../../shared/protocol/lease-messages.ts';
import type { PlannedFault } from './plan.ts';
import { happening, type Machine, type World } from './world.ts';

/** Called for every step and message; nearly always nothing waits for it. */
export function noteTrigger(world: World, machine: Machine, what: Step | LeaseMessageKind): void {
  if (world.triggers.size === 0) return;
  const waiting = world.triggers.get(what);
  if (waiting === undefined) return;
  world.triggers.delete(what);
  for (const fault of waiting) {
    if (fault.by !== null && fault.by !== machine.index) {
      armTrigger(world, fault);
      continue;
    }
    // Half of them strike where it happened, whatever the plan says about the target.
    const isHere = fault.by === null && fault.strength < 0.5;
    const here = isHere ? { ...fault, role: null, machine: machine.index } : fault;
    world.queue.push(world.now + fault.at, happening.fault, -1, 0, here);
  }
}

export function armTrigger(world: World, fault: PlannedFault): void {
  if (fault.trigger === null) return;
  const waiting = world.triggers.get(fault.trigger);
  if (waiting === undefined) world.triggers.set(fault.trigger, [fault]);
  else waiting.push(fault);
}
