/** Faults that hit one machine, and what people order it to do; see faults.ts. */
import type { Command } from '../../agent/core/types.ts';
import { feed } from './agent-process.ts';
import { crashAgent, freeze, orderShutdown, powerOff, setRate, wipe } from './machine.ts';
import type { PlannedFault } from './plan.ts';
import { endServer, strayStart } from './server.ts';
import { emptyStore } from './store.ts';
import { happening, type Machine, machineOf, type World } from './world.ts';

const tenYears = 10 * 365 * 24 * 3600 * 1000;

/** True for a fault that lasts until its end is called. */
export function strikeMachine(world: World, fault: PlannedFault, machine: Machine): boolean {
  const { duration, strength } = fault;
  switch (fault.kind) {
    case 'crash':
      crashAgent(world, machine, duration);
      return false;
    case 'restart':
      feed(world, machine, { kind: 'stopping', why: 'restart' });
      crashAgent(world, machine, duration);
      return false;
    case 'crash_midway':
    case 'freeze_midway':
    case 'torn_epoch':
      machine.breakBy = fault;
      machine.breakAfter = Math.floor(strength * 14);
      return false;
    case 'power_cut':
      powerOff(world, machine, duration);
      return false;
    case 'shutdown':
      orderShutdown(world, machine, duration);
      return false;
    case 'new_card':
      powerOff(world, machine, duration);
      wipe(world, machine);
      machine.store = emptyStore();
      return false;
    case 'freeze_agent':
      freeze(world, machine, duration, false);
      return false;
    case 'freeze_node':
    case 'frozen_without_gate':
      freeze(world, machine, duration, true);
      return false;
    case 'epoch_write':
      machine.failNextWrite = true;
      return false;
    case 'wall_step':
      machine.wallOffset += (strength - 0.5) * 2 * tenYears;
      return false;
    case 'server_crash':
      if (machine.server.running) endServer(world, machine, 0);
      return false;
    case 'stray_start':
      strayStart(world, machine);
      return false;
    case 'move':
      order(world, machine, { name: 'move', to: moveTo(world, fault) });
      return false;
    case 'promote':
      promoteTheOther(world, machine, duration);
      return false;
    case 'promote_living':
      order(world, machine, { name: 'promote', other_is_dead: true });
      return false;
    case 'disk_rolls_back':
      powerOff(world, machine, duration);
      machine.disk = machine.oldDisk;
      machine.counted = machine.oldDisk;
      return false;
    default:
      return strikeLasting(world, fault, machine);
  }
}

function strikeLasting(world: World, fault: PlannedFault, machine: Machine): boolean {
  const { strength } = fault;
  switch (fault.kind) {
    case 'hang':
      freeze(world, machine, Number.POSITIVE_INFINITY, true);
      break;
    case 'slow_node':
      machine.slow += slowness(strength);
      break;
    case 'kill_deadman':
      machine.deadman = false;
      machine.watchedSince = Number.POSITIVE_INFINITY;
      break;
    case 'disk_full':
      machine.diskFull += 1;
      break;
    case 'run_full':
      machine.runFull += 1;
      break;
    case 'step_fails':
      machine.stepsFail += 1;
      break;
    case 'step_slow':
      machine.stepsSlow += 1;
      break;
    case 'crash_loop':
      machine.crashLoop += 1;
      if (machine.server.running) endServer(world, machine, 1000 * strength);
      break;
    case 'drift_beyond':
      setRate(world, machine, 1 + (strength - 0.5) * 0.6);
      break;
    case 'clock_pause':
      freeze(world, machine, Number.POSITIVE_INFINITY, true);
      break;
    case 'timers_lie':
      machine.gateLate += strength * 10_000;
      break;
    default:
      return false;
  }
  return true;
}

const slowness = (strength: number): number => 20 + 2500 * strength ** 2;

export function endMachineFault(
  world: World,
  fault: PlannedFault,
  machine: Machine,
  power: number,
): void {
  const { strength } = fault;
  switch (fault.kind) {
    case 'hang':
      // The watchdog resets the machine, unless somebody has pulled its plug meanwhile.
      if (machine.power === power) powerOff(world, machine, 500 + 4000 * strength);
      return;
    case 'slow_node':
      machine.slow = Math.max(0, machine.slow - slowness(strength));
      if (machine.slow < 1e-6) machine.slow = 0;
      return;
    case 'kill_deadman':
      machine.deadman = true;
      machine.watchedSince = world.now;
      return;
    case 'disk_full':
      machine.diskFull -= 1;
      return;
    case 'run_full':
      machine.runFull -= 1;
      return;
    case 'step_fails':
      machine.stepsFail -= 1;
      machine.failedAt = world.now;
      return;
    case 'step_slow':
      machine.stepsSlow -= 1;
      // What is under way may still take long, as after a failure.
      machine.failedAt = world.now;
      return;
    case 'crash_loop':
      machine.crashLoop -= 1;
      return;
    case 'clock_pause':
      if (machine.power === power) goOnLate(world, machine, fault.duration);
      return;
    case 'timers_lie':
      machine.gateLate = 0;
      return;
    default:
      return;
  }
}

/** A paused virtual machine: neither its clock nor the kernel's timers have moved. */
function goOnLate(world: World, machine: Machine, paused: number): void {
  machine.bootedAt += paused;
  if (machine.gateUntil > 0) machine.gateUntil += paused;
  world.queue.push(world.now, happening.thaw, machine.index, machine.thawToken, null);
}

function order(world: World, machine: Machine, command: Command): void {
  world.commands += 1;
  feed(world, machine, { kind: 'command', id: `c${world.commands}`, command });
}

function moveTo(world: World, fault: PlannedFault): string | null {
  if (fault.strength < 0.4) return null;
  return machineOf(world, fault.sides % world.machines.length).name;
}

/**
 * One of two dies for good (or for half a minute), and the operator who stands beside it promotes
 * the other. The command is given only while that is true.
 */
function promoteTheOther(world: World, machine: Machine, duration: number): void {
  machine.deadUntil = world.now + duration;
  powerOff(world, machine, duration);
  const other = world.machines.find((node) => node !== machine);
  if (other === undefined) return;
  const delay = world.random.between(500, 4000);
  world.queue.push(world.now + delay, happening.promote, other.index, machine.index, null);
}

export function promoteAlone(world: World, machine: Machine, dead: number): void {
  const other = machineOf(world, dead);
  const wait = machine.config.leaseDuration * 1.2;
  if (other.powered || other.deadUntil < world.now + wait) return;
  if (machine.agentFrozen || machine.nodeFrozen) return;
  // The other may have been promoted alone before: nobody here could know of its epoch.
  if ((other.disk?.highest_epoch ?? 0) > (machine.disk?.highest_epoch ?? 0)) return;
  order(world, machine, { name: 'promote', other_is_dead: true });
}
