/**
 * The k3s server of one machine and everything that keeps it from answering: gate, mask,
 * self-fence, dead man's switch (looks once a second, kills within 0.5 s), data-path gate (the
 * kernel's timer).
 *
 * A server counts as answering from the moment its process runs, ready or not, as long as its
 * machine has power and is not frozen and the data path is open. The judge looks at every moment at
 * which a server may have begun to answer.
 */
import { feed } from './agent-process.ts';
import { noteEnd, noteStart } from './containment.ts';
import { stepDone } from './steps.ts';
import { settleWrites, startStreaming } from './stream.ts';
import {
  bootClock,
  dataPathIsShut,
  disturbFromInside,
  happening,
  type Machine,
  type World,
} from './world.ts';

/** DESIGN section 3: dead man's period and kill time; the same figures as in timing-rules.ts. */
const deadmanPeriod = 1000;
const killTime = 500;

export function answers(world: World, machine: Machine): boolean {
  const { server } = machine;
  if (!server.running || !machine.powered || machine.nodeFrozen) return false;
  return !dataPathIsShut(world, machine);
}

/** The truth about the lease file, whatever the gate makes of it. */
export function hasLease(world: World, machine: Machine): boolean {
  const file = machine.leaseFile;
  if (file === null || file.bootId !== machine.bootId) return false;
  return bootClock(world, machine) < file.deadline;
}

/** ExecCondition of k3s.service (systemd/baton-gate.sh). */
function gateIsOpen(world: World, machine: Machine): boolean {
  const file = machine.leaseFile;
  if (world.flaws.startIgnoresGate) return true;
  if (file === null) return false;
  if (file.bootId !== machine.bootId && !world.flaws.gateIgnoresBoot) return false;
  return bootClock(world, machine) < file.deadline;
}

/** Lease file and data-path gate, both until `deadline` on the machine's boot clock. */
export function openGate(world: World, machine: Machine, epoch: number, deadline: number): void {
  const wallDeadline = deadline + machine.wallOffset;
  machine.leaseFile = { bootId: machine.bootId, epoch, deadline, wallDeadline };
  const left = deadline - bootClock(world, machine);
  machine.gateUntil = left <= 0 ? 0 : world.now + left / machine.rate + machine.gateLate;
  world.judge.gateOpened(world, machine, epoch, deadline);
  world.judge.mayAnswer(world, machine);
}

export function closeGate(machine: Machine): void {
  machine.leaseFile = null;
  machine.gateUntil = 0;
}

/** `systemctl start`: the job goes on without the agent; the gate is asked when it gets there. */
export function orderStart(world: World, machine: Machine, epoch: number): void {
  const { server } = machine;
  server.order += 1;
  server.asked = false;
  server.masked = false;
  const spawn = world.random.between(5, 120) * (machine.stepsSlow > 0 ? 8 : 1) * world.plan.pace;
  world.queue.push(world.now + spawn, happening.serverUp, machine.index, server.order, epoch);
}

/** Somebody else starts the unit, unmasked; a holder's own start is another matter. */
export function strayStart(world: World, machine: Machine): void {
  if (!machine.powered || machine.nodeFrozen || machine.server.running) return;
  if (hasLease(world, machine)) return;
  orderStart(world, machine, machine.server.epoch);
}

export function serverUp(world: World, machine: Machine, order: number, epoch: number): void {
  const { server } = machine;
  if (order !== server.order || !machine.powered) return;
  if (machine.nodeFrozen) {
    world.queue.push(world.now + 100, happening.serverUp, machine.index, order, epoch);
    return;
  }
  if (server.running) {
    stepDone(world, machine, 'start_server', epoch, true, 'it runs already');
    return;
  }
  if (server.masked || machine.stepsFail > 0 || !gateIsOpen(world, machine)) {
    world.coverage.counts.gate_refusals += 1;
    stepDone(world, machine, 'start_server', epoch, false, 'the gate is shut');
    return;
  }
  server.running = true;
  server.ready = false;
  server.epoch = epoch;
  server.life += 1;
  machine.store.dirty = true;
  world.trace?.note(world, machine, `server of epoch ${epoch} runs`);
  if (!hasLease(world, machine)) {
    world.judge.violate(
      world,
      'start-after-deadline',
      `the server of ${machine.name} starts without a lease`,
    );
  }
  world.judge.serverStarted(world, machine);
  world.judge.mayAnswer(world, machine);
  noteStart(world, machine);
  const slow = machine.stepsSlow > 0 ? 3 : 1;
  const readyAt = world.now + world.random.between(300, 2200) * slow;
  world.queue.push(readyAt, happening.serverReady, machine.index, server.life, epoch);
  if (machine.crashLoop > 0) endServer(world, machine, world.random.between(50, 2500));
  startDeadman(world, machine);
}

export function serverReady(world: World, machine: Machine, life: number, epoch: number): void {
  const { server } = machine;
  if (life !== server.life || !server.running) return;
  if (machine.nodeFrozen) {
    world.queue.push(world.now + 200, happening.serverReady, machine.index, life, epoch);
    return;
  }
  server.ready = true;
  server.readyAt = world.now;
  server.writtenUntil = world.now;
  server.writesPerMs = world.random.between(0.005, 0.05);
  stepDone(world, machine, 'start_server', epoch, true, 'ready');
  startStreaming(world, machine);
}

/** The present process ends `delay` ms from now, unless it has ended before. */
export function endServer(world: World, machine: Machine, delay: number): void {
  const { server } = machine;
  world.queue.push(world.now + delay, happening.serverEnd, machine.index, server.life, null);
}

/** Stop and mask at once; SIGKILL after a short grace. A start under way is called off. */
export function fence(world: World, machine: Machine): void {
  const { server } = machine;
  if (server.running) machine.fenced = { life: server.life, at: world.now };
  if (world.flaws.fenceForgotten) return;
  server.order += 1;
  noteEnd(world, machine, 'self_fence');
  server.masked = true;
  server.asked = true;
  if (server.running) endServer(world, machine, world.random.between(0, killTime));
}

export function serverEnded(world: World, machine: Machine, life: number): void {
  const { server } = machine;
  if (life !== server.life || !server.running) return;
  if (machine.nodeFrozen) {
    world.queue.push(world.now + 100, happening.serverEnd, machine.index, life, null);
    return;
  }
  settleWrites(world, machine);
  world.judge.serverEnds(world, machine);
  const wasReady = server.ready;
  stopNow(machine);
  world.trace?.note(world, machine, `server of epoch ${server.epoch} has ended`);
  if (!server.asked) {
    disturbFromInside(world);
    if (!wasReady) stepDone(world, machine, 'start_server', server.epoch, false, 'it ended');
    const detail = 'the process ended';
    feed(world, machine, { kind: 'server_exited', epoch: server.epoch, detail });
  }
}

/** Nothing of the process is left; also what a power cut does. */
export function stopNow(machine: Machine): void {
  machine.server.running = false;
  machine.server.ready = false;
}

/** A shell loop with `sleep 1`; simulated only while there is something to kill. */
export function startDeadman(world: World, machine: Machine): void {
  if (machine.server.deadmanLooks) return;
  machine.server.deadmanLooks = true;
  const period = deadmanPeriod / machine.rate;
  const since = (world.now - machine.bootedAt + machine.deadmanPhase) % period;
  const at = world.now + period - since;
  world.queue.push(at, happening.deadmanLook, machine.index, machine.power, null);
}

export function deadmanLooks(world: World, machine: Machine, power: number): void {
  const { server } = machine;
  if (power !== machine.power) return;
  if (!server.running) {
    server.deadmanLooks = false;
    return;
  }
  const period = deadmanPeriod / machine.rate;
  world.queue.push(world.now + period, happening.deadmanLook, machine.index, power, null);
  if (machine.nodeFrozen) {
    if (machine.deadman) machine.watchedSince = world.now;
    return;
  }
  world.judge.stillRuns(world, machine);
  if (!machine.deadman || deadmanIsContent(world, machine)) return;
  if (world.flaws.deadmanNeverKills) return;
  world.coverage.counts.deadman_kills += 1;
  noteEnd(world, machine, 'dead_mans_switch');
  world.trace?.note(world, machine, 'dead man’s switch kills the server');
  endServer(world, machine, world.random.between(0, killTime));
}

function deadmanIsContent(world: World, machine: Machine): boolean {
  const file = machine.leaseFile;
  if (file === null) return false;
  if (world.flaws.deadmanTrustsWall) {
    return bootClock(world, machine) + machine.wallOffset < file.wallDeadline;
  }
  if (file.bootId !== machine.bootId && !world.flaws.gateIgnoresBoot) return false;
  return bootClock(world, machine) < file.deadline;
}
