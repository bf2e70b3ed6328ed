/** Faults that hit one machine, and what people order it to do; see faults.ts. */
import { feed } from './agent-process.ts';
import type { FaultKind } from './fault-kinds.ts';
import type { Lasting, Moment } from './faults.ts';
import { crashAgent, freeze, orderShutdown, powerOff, setRate, wipe } from './machine.ts';
import { lookToFound, order } from './operator.ts';
import type { PlannedFault } from './plan.ts';
import { endServer, strayStart } from './server.ts';
import { emptyStore } from './store.ts';
import { happening, type Machine, machineOf, type World } from './world.ts';

const tenYears = 10 * 365 * 24 * 3600 * 1000;

const forever = Number.POSITIVE_INFINITY;

/** Strikes between two effects of a later decision (agent-process.ts). */
const midway: Moment = (_world, fault, machine) => {
  machine.breakBy = fault;
  machine.breakAfter = Math.floor(fault.strength * 14);
};

const frozenWhole: Moment = (world, { duration }, machine) => {
  freeze(world, machine, duration, true);
};

const founding =
  (careful: boolean): Moment =>
  (world, { duration }) => {
    lookToFound(world, { until: world.now + duration, careful });
  };

export const momentsOfMachines = {
  crash: (world, { duration }, machine) => crashAgent(world, machine, duration),
  restart: (world, { duration }, machine) => {
    feed(world, machine, { kind: 'stopping', why: 'restart' });
    crashAgent(world, machine, duration);
  },
  crash_midway: midway,
  freeze_midway: midway,
  torn_epoch: midway,
  power_cut: (world, { duration }, machine) => powerOff(world, machine, duration),
  shutdown: (world, { duration }, machine) => orderShutdown(world, machine, duration),
  new_card: (world, { duration }, machine) => {
    powerOff(world, machine, duration);
    wipe(world, machine);
    machine.store = emptyStore();
  },
  freeze_agent: (world, { duration }, machine) => freeze(world, machine, duration, false),
  freeze_node: frozenWhole,
  frozen_without_gate: frozenWhole,
  epoch_write: (_world, _fault, machine) => {
    machine.failNextWrite = true;
  },
  wall_step: (_world, { strength }, machine) => {
    machine.wallOffset += (strength - 0.5) * 2 * tenYears;
  },
  server_crash: (world, _fault, machine) => {
    if (machine.server.running) endServer(world, machine, 0);
  },
  stray_start: (world, _fault, machine) => strayStart(world, machine),
  move: (world, fault, machine) => {
    order(world, machine, { name: 'move', to: moveTo(world, fault) });
  },
  promote: (world, { duration }, machine) => promoteTheOther(world, machine, duration),
  promote_living: (world, _fault, machine) => {
    order(world, machine, { name: 'promote', other_is_dead: true });
  },
  found: founding(true),
  found_wrong: founding(false),
  disk_rolls_back: (world, { duration }, machine) => {
    powerOff(world, machine, duration);
    machine.disk = machine.oldDisk;
    machine.counted = machine.oldDisk;
  },
} satisfies Partial<Record<FaultKind, Moment>>;

type CountedField = 'diskFull' | 'runFull' | 'crashLoop' | 'stepsFail' | 'stepsSlow' | 'overload';

/** Counts how many faults of its kind are in force on the machine. */
const counted = (field: CountedField) => ({
  begin: (_world: World, _fault: PlannedFault, machine: Machine): void => {
    machine[field] += 1;
  },
  end: (_world: World, _fault: PlannedFault, machine: Machine): void => {
    machine[field] -= 1;
  },
});

/** What is under way at the end may still fail, or take long: judged as a failure just now. */
const ofSteps = (field: 'stepsFail' | 'stepsSlow'): Lasting => {
  const { begin, end } = counted(field);
  return {
    begin,
    end: (world, fault, machine) => {
      end(world, fault, machine);
      machine.failedAt = world.now;
    },
  };
};

const stopped: Moment = (world, _fault, machine) => freeze(world, machine, forever, true);

const slowness = (strength: number): number => 20 + 2500 * strength ** 2;

export const lastingMachineFaults = {
  hang: {
    begin: stopped,
    // The watchdog resets the machine, unless somebody has pulled its plug meanwhile.
    end: (world, { strength }, machine, power) => {
      if (machine.power === power) powerOff(world, machine, 500 + 4000 * strength);
    },
  },
  slow_node: {
    begin: (_world, { strength }, machine) => {
      machine.slow += slowness(strength);
    },
    end: (_world, { strength }, machine) => {
      machine.slow = Math.max(0, machine.slow - slowness(strength));
      if (machine.slow < 1e-6) machine.slow = 0;
    },
  },
  overload: counted('overload'),
  kill_deadman: {
    begin: (_world, _fault, machine) => {
      machine.deadman = false;
      machine.watchedSince = forever;
    },
    end: (world, _fault, machine) => {
      machine.deadman = true;
      machine.watchedSince = world.now;
    },
  },
  disk_full: counted('diskFull'),
  run_full: counted('runFull'),
  step_fails: ofSteps('stepsFail'),
  step_slow: ofSteps('stepsSlow'),
  crash_loop: {
    begin: (world, { strength }, machine) => {
      machine.crashLoop += 1;
      if (machine.server.running) endServer(world, machine, 1000 * strength);
    },
    end: counted('crashLoop').end,
  },
  drift_beyond: {
    begin: (world, { strength }, machine) => setRate(world, machine, 1 + (strength - 0.5) * 0.6),
    end: () => undefined,
  },
  clock_pause: {
    begin: stopped,
    end: (world, { duration }, machine, power) => {
      if (machine.power === power) goOnLate(world, machine, duration);
    },
  },
  timers_lie: {
    begin: (_world, { strength }, machine) => {
      machine.gateLate += strength * 10_000;
    },
    end: (_world, _fault, machine) => {
      machine.gateLate = 0;
    },
  },
} satisfies Partial<Record<FaultKind, Lasting>>;

/** A paused virtual machine: neither its clock nor the kernel's timers have moved. */
function goOnLate(world: World, machine: Machine, paused: number): void {
  machine.bootedAt += paused;
  if (machine.gateUntil > 0) machine.gateUntil += paused;
  world.queue.push(world.now, happening.thaw, machine.index, machine.thawToken, null);
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
