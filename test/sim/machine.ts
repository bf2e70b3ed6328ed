/**
 * One machine: power, boot, the life of the agent's process, freeze and thaw.
 *
 * What survives what: a process restart keeps /run; a reboot loses it, and with it the lease file
 * and whatever was written without a sync; an empty card loses the rest.
 */
import type { CoreState } from '../../agent/core/state.ts';
import type { StartFacts } from '../../agent/core/types.ts';
import { MASTER_LEAVES, VOTER_LEAVES } from '../../agent/wiring/ending.ts';
import type { WallTime } from '../../shared/time/duration.ts';
import { feed, forgetTimers, resume } from './agent-process.ts';
import { stopNow, strayStart } from './server.ts';
import { copyOf, cutTo, factsOf, headOf, type Segment } from './store.ts';
import { settleWrites } from './stream.ts';
import {
  bootClock,
  disturb,
  happening,
  type Machine,
  type Suspended,
  type World,
} from './world.ts';

/** 2026-01-01; only differences matter. */
const wallStart = 1_767_225_600_000;

/** Power goes: everything in memory is lost. `back`: ms until the machine boots, Infinity never. */
export function powerOff(world: World, machine: Machine, back: number): void {
  if (machine.powered) {
    settleWrites(world, machine);
    if (machine.server.running) world.judge.serverEnds(world, machine);
    stopAgent(world, machine);
    stopNow(machine);
    machine.server.order += 1;
    machine.server.deadmanLooks = false;
    if (!world.flaws.gateIgnoresBoot) machine.leaseFile = null;
    machine.gateUntil = 0;
    if (!world.flaws.gateIgnoresBoot) machine.run = null;
    machine.agentFrozen = false;
    machine.nodeFrozen = false;
    machine.thawToken += 1;
    if (world.flaws.diskWrittenLate || world.flaws.diskNotWritten) {
      machine.disk = machine.oldDisk;
      machine.counted = machine.oldDisk;
    }
    loseUnsynced(world, machine);
  }
  machine.powered = false;
  machine.power += 1;
  disturb(world);
  if (back < Number.POSITIVE_INFINITY) {
    world.queue.push(world.now + back, happening.powerOn, machine.index, machine.power, null);
  }
}

/** kine runs with `synchronous=NORMAL`: a power cut takes back commits already streamed. */
function loseUnsynced(world: World, machine: Machine): void {
  const { store } = machine;
  if (store.source === 'replica') {
    Object.assign(store, store.saved);
    if (store.chain.length === 0) store.source = 'none';
    return;
  }
  if (store.source !== 'server' || !store.dirty) return;
  const end = store.chain[store.chain.length - 1] as Segment;
  const lost = world.random.chance(0.4) ? 0 : world.random.below(400);
  store.chain = cutTo(store.chain, Math.max(end.first, headOf(store.chain) - lost));
  store.unclean = true;
  store.dirty = false;
}

export function powerOn(world: World, machine: Machine, power: number): void {
  if (power !== machine.power || machine.powered) return;
  if (world.now < machine.deadUntil) {
    world.queue.push(machine.deadUntil, happening.powerOn, machine.index, power, null);
    return;
  }
  machine.powered = true;
  machine.boots += 1;
  machine.bootId = `${machine.name}-boot-${machine.boots}`;
  machine.bootedAt = world.now - world.random.between(10, 20_000) / machine.rate;
  machine.deadmanPhase = world.random.between(0, 1000);
  machine.deadman = true;
  machine.watchedSince = world.now;
  machine.fenced = null;
  machine.brokerUp = true;
  machine.server.masked = true;
  // A Pi has no clock: it starts with an old one, until something sets it.
  machine.wallSynchronised = world.random.chance(0.6);
  const behind = machine.wallSynchronised ? 0 : world.random.between(0, 1e9);
  machine.wallOffset = wallStart - behind;
  if (!world.random.chance(0.1)) {
    startAgent(world, machine);
    return;
  }
  // The server's unit was enabled by mistake and is faster: only the gate stands against it.
  strayStart(world, machine);
  const at = world.now + world.random.between(50, 1500);
  world.queue.push(at, happening.agentStart, machine.index, machine.life, null);
}

/** The agent's process begins, with whatever it finds. */
export function startAgent(world: World, machine: Machine): void {
  if (!machine.powered || machine.up) return;
  disturb(world);
  machine.up = true;
  machine.life += 1;
  machine.startedAt = world.now;
  machine.agentFrozen = false;
  machine.suspended = null;
  machine.breakAfter = 0;
  machine.breakBy = null;
  machine.inbox = [];
  machine.follow = null;
  machine.state = world.core.initialState(machine.config);
  settleWrites(world, machine);
  const { run, disk } = machine;
  machine.counted = disk;
  // Records are read back as JSON: what is not JSON-safe would be lost here.
  const facts: StartFacts = {
    bootId: machine.bootId,
    nonce: nonceOf(world),
    run: run === null ? null : (JSON.parse(JSON.stringify(run)) as StartFacts['run']),
    disk: disk === null ? null : (JSON.parse(JSON.stringify(disk)) as StartFacts['disk']),
    datastore: factsOf(machine.store),
    serverRunning: machine.server.running,
    wall: {
      time: (machine.wallOffset + bootClock(world, machine)) as WallTime,
      synchronised: machine.wallSynchronised,
    },
  };
  feed(world, machine, { kind: 'started', facts });
}

function nonceOf(world: World): string {
  const word = (): string => world.random.below(0x1_0000_0000).toString(16).padStart(8, '0');
  return word() + word();
}

/** The process is gone; its server, units and files stay. */
export function stopAgent(world: World, machine: Machine): void {
  if (!machine.up) return;
  machine.up = false;
  machine.downAt = world.now;
  machine.life += 1;
  machine.leaving = false;
  machine.suspended = null;
  machine.agentFrozen = false;
  machine.thawToken += 1;
  forgetTimers(machine);
  disturb(world);
}

export function crashAgent(world: World, machine: Machine, back: number): void {
  // Nothing can be killed where the kernel hangs or everything is stopped.
  if (!machine.up || machine.nodeFrozen) return;
  stopAgent(world, machine);
  world.queue.push(world.now + back, happening.agentStart, machine.index, machine.life, null);
}

export function agentStarts(world: World, machine: Machine, life: number): void {
  if (life !== machine.life) return;
  if (machine.nodeFrozen) {
    world.queue.push(world.now + 200, happening.agentStart, machine.index, life, null);
    return;
  }
  startAgent(world, machine);
}

/** How often the daemon that ends looks whether it has left, ms (agent/wiring/ending.ts: 50). */
const departureLook = 500;

/** `systemctl poweroff`: the agent gives away what it holds, then the machine goes off. */
export function orderShutdown(world: World, machine: Machine, back: number): void {
  if (!machine.powered || machine.nodeFrozen) return;
  machine.offAfter = back;
  machine.leaveBy = world.now + MASTER_LEAVES;
  machine.releasedAt = world.now;
  lookAtDeparture(world, machine, machine.power);
  if (!machine.up) return;
  machine.leaving = true;
  feed(world, machine, { kind: 'stopping', why: 'shutdown' });
}

/** As the daemon that ends, agent/wiring/ending.ts; without it nobody is waited for. */
export function lookAtDeparture(world: World, machine: Machine, power: number): void {
  if (power !== machine.power || !machine.powered) return;
  if (machine.up && (machine.state as CoreState).run.held !== null) machine.releasedAt = world.now;
  const late = world.now > machine.leaveBy || world.now - machine.releasedAt > VOTER_LEAVES;
  const ends = late || !machine.up;
  const next = ends ? happening.goOff : happening.departureLook;
  world.queue.push(world.now + departureLook, next, machine.index, power, machine.offAfter);
}

/** Everything is stopped and synced before the power goes. */
export function goOff(world: World, machine: Machine, power: number, back: number): void {
  if (power !== machine.power || !machine.powered) return;
  if (machine.nodeFrozen) {
    world.queue.push(world.now + 500, happening.goOff, machine.index, power, back);
    return;
  }
  const { store } = machine;
  settleWrites(world, machine);
  store.dirty = false;
  store.saved = copyOf(store);
  powerOff(world, machine, back);
}

/** From now on the boot clock runs at another rate; it does not jump. */
export function setRate(world: World, machine: Machine, rate: number): void {
  machine.bootedAt = world.now - ((world.now - machine.bootedAt) * machine.rate) / rate;
  machine.rate = rate;
}

/** SIGSTOP for the agent, or for every process of the machine. */
export function freeze(world: World, machine: Machine, duration: number, whole: boolean): void {
  if (!machine.powered || machine.nodeFrozen || (!whole && !machine.up)) return;
  settleWrites(world, machine);
  if (whole) machine.nodeFrozen = true;
  else machine.agentFrozen = true;
  machine.thawToken += 1;
  disturb(world);
  // A hung kernel does not go on by itself.
  if (duration === Number.POSITIVE_INFINITY) return;
  const back = world.now + duration;
  world.queue.push(back, happening.thaw, machine.index, machine.thawToken, null);
}

export function thaw(world: World, machine: Machine, token: number): void {
  if (token !== machine.thawToken) return;
  if (machine.nodeFrozen) {
    settleWrites(world, machine);
    machine.server.writtenUntil = world.now;
  }
  machine.nodeFrozen = false;
  machine.agentFrozen = false;
  if (machine.deadman) machine.watchedSince = world.now;
  disturb(world);
  world.trace?.note(world, machine, 'goes on');
  world.judge.mayAnswer(world, machine);
  const { suspended, inbox } = machine;
  machine.suspended = null;
  machine.inbox = [];
  if (suspended !== null && machine.up) {
    resume(world, machine, suspended);
  }
  for (const event of inbox) {
    const at = world.now + world.random.next() * 20;
    world.queue.push(at, happening.feed, machine.index, machine.life, event);
  }
}

/** Epoch and member list are gone, with the card or because the file can't be read. */
export function wipe(world: World, machine: Machine): void {
  const lost = machine.disk;
  machine.disk = null;
  machine.oldDisk = null;
  machine.counted = null;
  world.judge.recordLost(world, machine, lost);
}

/** The moment between two effects at which a fault of the plan strikes. */
export function breakAgent(world: World, machine: Machine, rest: Suspended): void {
  const fault = machine.breakBy;
  machine.breakBy = null;
  if (fault === null) return;
  world.trace?.note(world, machine, `${fault.kind} before effect ${rest.from}`);
  if (fault.kind === 'crash_midway') {
    crashAgent(world, machine, fault.duration);
    return;
  }
  if (fault.kind === 'torn_epoch') {
    const torn = rest.effects[rest.from]?.kind === 'persist_disk';
    powerOff(world, machine, fault.duration);
    if (torn) wipe(world, machine);
    return;
  }
  machine.suspended = rest;
  freeze(world, machine, fault.duration, false);
}
