/** Faults of the network, the coordinators and the cluster as a whole; see faults.ts. */
import { feed } from './agent-process.ts';
import type { FaultKind } from './fault-kinds.ts';
import type { Lasting, Moment } from './faults.ts';
import { powerOff } from './machine.ts';
import { letGo, setCut } from './network.ts';
import type { PlannedFault } from './plan.ts';
import { happening, type Machine, machineOf, type World } from './world.ts';

/** A figure of the whole network that several faults add to. */
const more = (
  field: 'loss' | 'delay' | 'duplicate',
  by: (strength: number) => number,
): Lasting => ({
  begin: (world, { strength }) => {
    world[field] += by(strength);
  },
  end: (world, { strength }) => {
    const rest = world[field] - by(strength);
    // Sums of fractions do not come back to zero by themselves.
    world[field] = Math.abs(rest) < 1e-9 ? 0 : rest;
  },
});

const cut: Lasting = {
  begin: (world, fault, machine) => cutLinks(world, fault, machine, 1),
  end: (world, fault, machine) => cutLinks(world, fault, machine, -1),
};

const kept: Lasting = {
  begin: (world, fault, machine) => {
    world.holds.push({ fault, to: machine.index, flights: [] });
  },
  end: letGo,
};

const brokersDown = (which: (world: World, machine: Machine) => readonly number[]): Lasting => ({
  begin: (world, _fault, machine) => {
    for (const broker of which(world, machine)) machineOf(world, broker).brokerUp = false;
  },
  end: (world, _fault, machine) => {
    for (const broker of which(world, machine)) machineOf(world, broker).brokerUp = true;
  },
});

export const lastingNetworkFaults = {
  partition: cut,
  one_way: cut,
  isolate: cut,
  cut_pair: cut,
  loss: more('loss', (strength) => 0.02 + 0.6 * strength ** 2),
  // Longest extra delay, ms; most messages get far less (network.ts).
  delay: more('delay', (strength) => 50 + 6000 * strength ** 2),
  duplicate: more('duplicate', (strength) => 0.02 + 0.3 * strength),
  hold: kept,
  echo: kept,
  broker_down: brokersDown((world, machine) => [brokerNear(world, machine)]),
  brokers_down: brokersDown((world) => world.plan.coordinators),
  broker_lies: {
    begin: (world, fault) => {
      world.lies += 1;
      repeatLies(world, fault.duration);
    },
    end: (world) => {
      world.lies -= 1;
    },
  },
} satisfies Partial<Record<FaultKind, Lasting>>;

export const momentsOfTheCluster = {
  ranking: (world) => sendRanking(world),
  cold_start: (world, fault) => loseAllPower(world, fault),
} satisfies Partial<Record<FaultKind, Moment>>;

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
function sendRanking(world: World): void {
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
