/** Faults of the network, the coordinators and the cluster as a whole; see faults.ts. */
import { feed } from './agent-process.ts';
import { powerOff } from './machine.ts';
import { endMachineFault } from './machine-faults.ts';
import { setCut } from './network.ts';
import type { PlannedFault } from './plan.ts';
import { happening, type Machine, machineOf, type World } from './world.ts';

/** True for a fault that lasts; false for one that is done or that is not the network's. */
export function strikeWorld(world: World, fault: PlannedFault, machine: Machine): boolean {
  const { strength } = fault;
  switch (fault.kind) {
    case 'partition':
    case 'one_way':
    case 'isolate':
    case 'cut_pair':
      cutLinks(world, fault, machine, 1);
      return true;
    case 'loss':
      world.loss += lossOf(strength);
      return true;
    case 'delay':
      world.delay += delayOf(strength);
      return true;
    case 'duplicate':
      world.duplicate += duplicateOf(strength);
      return true;
    case 'broker_down':
      return brokersDown(world, [brokerNear(world, machine)]);
    case 'brokers_down':
      return brokersDown(world, world.plan.coordinators);
    case 'broker_lies':
      world.lies += 1;
      repeatLies(world, fault.duration);
      return true;
    case 'ranking':
      sendRanking(world);
      return false;
    case 'cold_start':
      loseAllPower(world, fault);
      return false;
    default:
      return false;
  }
}

export function endWorldFault(
  world: World,
  fault: PlannedFault,
  machine: Machine,
  power: number,
): void {
  const { strength } = fault;
  switch (fault.kind) {
    case 'partition':
    case 'one_way':
    case 'isolate':
    case 'cut_pair':
      cutLinks(world, fault, machine, -1);
      break;
    case 'loss':
      world.loss = withoutRest(world.loss - lossOf(strength));
      break;
    case 'delay':
      world.delay = withoutRest(world.delay - delayOf(strength));
      break;
    case 'duplicate':
      world.duplicate = withoutRest(world.duplicate - duplicateOf(strength));
      break;
    case 'broker_down':
      machineOf(world, brokerNear(world, machine)).brokerUp = true;
      break;
    case 'brokers_down':
      for (const broker of world.plan.coordinators) machineOf(world, broker).brokerUp = true;
      break;
    case 'broker_lies':
      world.lies -= 1;
      break;
    default:
      endMachineFault(world, fault, machine, power);
  }
}

/** Sums of fractions do not come back to zero by themselves. */
const withoutRest = (value: number): number => (Math.abs(value) < 1e-9 ? 0 : value);

const lossOf = (strength: number): number => 0.02 + 0.6 * strength ** 2;
/** Longest extra delay, ms; most messages get far less (network.ts). */
const delayOf = (strength: number): number => 50 + 6000 * strength ** 2;
const duplicateOf = (strength: number): number => 0.02 + 0.3 * strength;

function cutLinks(world: World, fault: PlannedFault, machine: Machine, by: 1 | -1): void {
  const count = world.machines.length;
  const side = (index: number): boolean => ((fault.sides >> index) & 1) === 1;
  const partner = fault.sides % count;
  const deaf = fault.strength < 0.5;
  for (let from = 0; from < count; from += 1) {
    for (let to = 0; to < count; to += 1) {
      if (from === to) continue;
      const outgoing = from === machine.index;
      const incoming = to === machine.index;
      let isCut: boolean;
      if (fault.kind === 'partition') isCut = side(from) !== side(to);
      else if (fault.kind === 'isolate') isCut = outgoing || incoming;
      else if (fault.kind === 'one_way') isCut = deaf ? incoming : outgoing;
      else isCut = (outgoing && to === partner) || (incoming && from === partner);
      if (isCut) setCut(world, from, to, by);
    }
  }
}

/** The coordinator on this machine, else some other one; -1 when there is none. */
function brokerNear(world: World, machine: Machine): number {
  const { coordinators } = world.plan;
  if (coordinators.includes(machine.index)) return machine.index;
  return coordinators[machine.index % Math.max(1, coordinators.length)] ?? machine.index;
}

function brokersDown(world: World, brokers: readonly number[]): boolean {
  for (const broker of brokers) machineOf(world, broker).brokerUp = false;
  return true;
}

/** How often a lying coordinator sends something old again, ms. */
const lieEvery = 120;

/** A broker can neither forge nor change a message (L15); it can repeat old ones at will. */
function repeatLies(world: World, duration: number): void {
  if (!world.remembers) return;
  for (let after = 0; after < duration; after += lieEvery) {
    world.queue.push(world.now + after, happening.lie, -1, 0, null);
  }
}

/** As the scout would: some order, wrong as often as right. */
export function sendRanking(world: World): void {
  const order = world.machines.map((machine) => machine.name);
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = world.random.below(i + 1);
    const name = order[i] as string;
    order[i] = order[j] as string;
    order[j] = name;
  }
  for (const machine of world.machines) feed(world, machine, { kind: 'ranking', order });
}

/** Everything goes dark and comes back one by one; some stay away for long. */
function loseAllPower(world: World, fault: PlannedFault): void {
  const master = world.machines.findIndex((machine) => machine.server.running);
  const staysAway = fault.strength > 0.7 ? master : -1;
  for (const machine of world.machines) {
    const soon = fault.duration * (0.2 + world.random.next());
    const late = world.random.chance(0.15);
    const back = machine.index === staysAway || late ? world.random.between(8000, 40_000) : soon;
    powerOff(world, machine, back);
  }
}
