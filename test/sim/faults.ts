/**
 * What each fault of a plan does to the world, and what its end takes back.
 *
 * Faults are counted by the phase in which they found the node (coverage.ts). A lasting fault holds
 * `world.disturbances` up, for the liveness bound runs from the last change of anything. Which
 * faults exist, and which are inside the model, stands in fault-kinds.ts.
 */

import type { Instant } from '../../shared/time/duration.ts';
import { noteStrike } from './containment.ts';
import { cover, type PhaseName } from './coverage.ts';
import { type FaultKind, isOfTheWorld } from './fault-kinds.ts';
import { lastingMachineFaults, momentsOfMachines } from './machine-faults.ts';
import { lastingNetworkFaults, momentsOfTheCluster } from './network-faults.ts';
import type { PlannedFault } from './plan.ts';
import { armTrigger } from './triggers.ts';
import { bootClock, disturb, happening, type Machine, machineOf, type World } from './world.ts';

/** A fault of one moment. */
export type Moment = (world: World, fault: PlannedFault, machine: Machine) => void;

/** A fault with an end; `power`: the machine's count of power changes when it struck. */
export interface Lasting {
  readonly begin: Moment;
  end(world: World, fault: PlannedFault, machine: Machine, power: number): void;
}

/** A kind that is left out fails to compile here. */
const meanings: Readonly<Record<FaultKind, Moment | Lasting>> = {
  ...momentsOfTheCluster,
  ...momentsOfMachines,
  ...lastingNetworkFaults,
  ...lastingMachineFaults,
};

/** Puts the plan's faults on the time line. */
export function planFaults(world: World): void {
  for (const fault of world.plan.faults) {
    if (fault.after !== null) continue;
    if (fault.trigger === null) world.queue.push(fault.at, happening.fault, -1, 0, fault);
    else world.queue.push(fault.armedFrom, happening.armTrigger, -1, 0, fault);
  }
}

export { armTrigger };

/** Those that wait for `struck` wait no more. */
function planNext(world: World, struck: PlannedFault): void {
  for (const fault of world.plan.faults) {
    if (fault.after !== struck.index) continue;
    if (fault.trigger !== null) armTrigger(world, fault);
    else world.queue.push(world.now + fault.at, happening.fault, -1, 0, fault);
  }
}

export function strike(world: World, fault: PlannedFault): void {
  const machine = targetOf(world, fault);
  planNext(world, fault);
  cover(world.coverage, fault.kind, isOfTheWorld(fault.kind) ? 'world' : phaseOf(world, machine));
  world.trace?.note(world, machine, `FAULT #${fault.index} ${fault.kind}`);
  disturb(world);
  noteStrike(world, fault);
  const meaning = meanings[fault.kind];
  if (typeof meaning === 'function') {
    meaning(world, fault, machine);
    return;
  }
  meaning.begin(world, fault, machine);
  world.disturbances += 1;
  const end = { fault, machine: machine.index, power: machine.power };
  world.queue.push(world.now + fault.duration, happening.faultEnd, machine.index, 0, end);
}

/** What a lasting fault leaves behind for its end. */
export interface FaultEnd {
  readonly fault: PlannedFault;
  readonly machine: number;
  readonly power: number;
}

export function endFault(world: World, { fault, machine, power }: FaultEnd): void {
  world.disturbances -= 1;
  disturb(world);
  const target = machineOf(world, machine);
  world.trace?.note(world, target, `end of #${fault.index} ${fault.kind}`);
  const meaning = meanings[fault.kind];
  if (typeof meaning !== 'function') meaning.end(world, fault, target, power);
}

/** Whoever plays the role at this moment, else the machine that was drawn. */
function targetOf(world: World, fault: PlannedFault): Machine {
  const drawn = machineOf(world, fault.machine);
  if (fault.role === null) return drawn;
  const plays = fault.role === 'master' ? isMaster : isCandidate;
  return world.machines.find((machine) => plays(world, machine)) ?? drawn;
}

const isMaster = (_world: World, machine: Machine): boolean =>
  machine.powered && (machine.server.running || machine.leaseFile !== null);

const isCandidate = (world: World, machine: Machine): boolean => {
  const phase = phaseOf(world, machine);
  return phase === 'asking' || phase === 'promoting' || phase === 'yielding';
};

export function phaseOf(world: World, machine: Machine): PhaseName {
  if (!machine.up) return 'off';
  if (machine.agentFrozen || machine.nodeFrozen) return 'frozen';
  const now = bootClock(world, machine) as Instant;
  return world.core.view(machine.state, now, machine.config).phase;
}
