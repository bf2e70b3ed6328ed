/**
 * The network: every message takes every path at once (each coordinator's broker and the direct
 * link), and each copy may be lost, late, doubled or overtaken.
 *
 * Links go from every voter to every eligible node. A broker works while its machine has power, is
 * not frozen and is not down by a fault. Cuts are one-way. TCP's order is not promised on purpose:
 * the rules must hold without it.
 */
import type { LeaseMessage } from '../../shared/protocol/lease-messages.ts';
import type { PlannedFault } from './plan.ts';
import { happening, isOverloaded, type Machine, machineOf, type World } from './world.ts';

/** Carried by a `deliver` entry; the receiver is the entry's machine. */
export interface Flight {
  readonly from: number;
  readonly message: LeaseMessage;
}

/** Copies of one message share one object. */
export function transmit(world: World, from: Machine, to: number, message: LeaseMessage): void {
  const flight: Flight = { from: from.index, message };
  const receiver = machineOf(world, to);
  if (to === from.index) {
    launch(world, world.now + 0.05, to, flight);
    return;
  }
  if (world.remembers) remember(world, to, flight);
  if (world.holds.length > 0 && isHeld(world, to, flight)) return;
  let first = Number.POSITIVE_INFINITY;
  let further = 0;
  const all = world.plan.copies === 1;
  if (hasLink(from, receiver) && !isCut(world, from.index, to)) {
    first = travel(world, from, receiver, 1);
    if (all && first < Number.POSITIVE_INFINITY) launch(world, first, to, flight);
  }
  for (const broker of world.plan.coordinators) {
    if (!brokerCarries(world, broker, from.index, to)) continue;
    const at = travel(world, from, receiver, 2);
    if (at === Number.POSITIVE_INFINITY) continue;
    further += 1;
    if (all) launch(world, at, to, flight);
    else if (at < first) first = at;
  }
  if (first < Number.POSITIVE_INFINITY && !all) {
    launch(world, first, to, flight);
    // The slower copies matter rarely and cost time always: a part of the schedules has them all.
    if (further > 0 && world.random.next() < world.plan.copies) {
      launch(world, first + world.random.between(0.1, 20), to, flight);
    }
  }
  if (world.duplicate > 0 && world.random.next() < world.duplicate) {
    launch(world, world.now + world.random.between(0, 15_000), to, flight);
  }
}

function launch(world: World, at: number, to: number, flight: Flight): void {
  world.inFlight += 1;
  world.queue.push(at, happening.deliver, to, 0, flight);
}

/** Kept back by a `hold`? An `echo` keeps a copy and lets it pass. */
function isHeld(world: World, to: number, flight: Flight): boolean {
  let held = false;
  for (const { fault, to: receiver, flights } of world.holds) {
    if (receiver !== to || fault.message !== flight.message.kind) continue;
    if (((fault.sides >> flight.from) & 1) === 0 || isCut(world, flight.from, to)) continue;
    flights.push(flight);
    if (fault.kind === 'hold') held = true;
  }
  return held;
}

/** The end of a `hold` or an `echo`: everything kept arrives, in the order it was sent. */
export function letGo(world: World, fault: PlannedFault): void {
  const ended = world.holds.find((hold) => hold.fault === fault);
  if (ended === undefined) return;
  world.holds = world.holds.filter((hold) => hold !== ended);
  ended.flights.forEach((flight, place) => {
    launch(world, world.now + 0.3 * (place + 1), ended.to, flight as Flight);
  });
}

const memoryBound = 160;

function remember(world: World, to: number, payload: Flight): void {
  world.memory[world.memorised % memoryBound] = { to, payload };
  world.memorised += 1;
}

/** Something that passed a coordinator comes again, at the node that it was for. */
export function lie(world: World): void {
  if (world.lies === 0 || world.memory.length === 0) return;
  const { to, payload } = world.random.pick(world.memory);
  launch(world, world.now, to, payload as Flight);
}

/** Arrival of one copy, or Infinity when it is lost. */
function travel(world: World, from: Machine, to: Machine, hops: number): number {
  const { random } = world;
  if (isOverloaded(from) || isOverloaded(to)) return Number.POSITIVE_INFINITY;
  const loss = Math.max(world.loss, from.loss, to.loss);
  if (loss > 0 && random.next() < loss) return Number.POSITIVE_INFINITY;
  let delay = hops * (0.3 + 2.5 * random.next());
  if (world.delay > 0) delay += world.delay * random.next() ** 3;
  const { storm } = world.plan;
  if (storm !== null && random.next() < storm.slow) delay += random.next() * storm.slowest;
  const slow = Math.max(from.slow, to.slow);
  if (slow > 0) delay += slow * random.next();
  return world.now + delay;
}

export const isCut = (world: World, from: number, to: number): boolean =>
  (world.cut[from * world.machines.length + to] as number) > 0;

/** Of all pairs, those that have something to say to each other. */
export function hasLink(a: Machine, b: Machine): boolean {
  const mine = a.config.nodes[a.index];
  const other = b.config.nodes[b.index];
  if (mine === undefined || other === undefined) return false;
  return (mine.voter && other.eligible) || (other.voter && mine.eligible);
}

function brokerCarries(world: World, broker: number, from: number, to: number): boolean {
  const carrier = machineOf(world, broker);
  if (!carrier.powered || !carrier.brokerUp || carrier.nodeFrozen) return false;
  if (broker !== from && isCut(world, from, broker)) return false;
  return broker === to || !isCut(world, broker, to);
}

/** Can a message get from one to the other by any path? */
export function canReach(world: World, from: number, to: number): boolean {
  if (from === to) return true;
  if (hasLink(machineOf(world, from), machineOf(world, to)) && !isCut(world, from, to)) return true;
  return world.plan.coordinators.some((broker) => brokerCarries(world, broker, from, to));
}

export const canTalk = (world: World, a: number, b: number): boolean =>
  canReach(world, a, b) && canReach(world, b, a);

/** The revision stream runs over the receiver's own connection to the master, both ways. */
export const canStream = (world: World, a: number, b: number): boolean =>
  !isCut(world, a, b) && !isCut(world, b, a);

/** Stops messages from → to, or lets them through again. */
export function setCut(world: World, from: number, to: number, by: 1 | -1): void {
  const at = from * world.machines.length + to;
  world.cut[at] = (world.cut[at] as number) + by;
}
