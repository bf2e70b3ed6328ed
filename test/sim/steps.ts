/**
 * Steps of a promotion and of stepping down, as the shell carries them out: each takes a random
 * time, may fail, and is reported exactly once to the process that ordered it.
 *
 * Jobs of the unit manager (start, stop) go on without the agent; copying files does not.
 */
import type { DatastoreFacts, Effect, Step } from '../../agent/core/types.ts';
import { feed } from './agent-process.ts';
import { noteEnd } from './containment.ts';
import { canStream } from './network.ts';
import { orderStart } from './server.ts';
import { durations } from './step-times.ts';
import { beginTenure, commonHead, emptyStore, factsOf, headOf } from './store.ts';
import { copyTo, settleWrites } from './stream.ts';
import {
  disturbFromInside,
  happening,
  isAwake,
  type Machine,
  machineOf,
  type World,
} from './world.ts';

export type StepEffect = Extract<Effect, { kind: 'step' }>;

/** TimeoutStopSec of k3s.service, ms. */
const stopTimeout = 5000;

export function orderStep(world: World, machine: Machine, order: StepEffect): void {
  world.judge.stepOrdered(world, machine, order.step, order.epoch);
  if (order.step === 'start_server') {
    orderStart(world, machine, order.epoch);
    return;
  }
  // Whoever is about to serve takes in nobody else's rows any more.
  if (order.step === 'install_datastore' && machine.follow !== null) {
    machine.follow = { ...machine.follow, master: -1 };
  }
  const [low, high] = durations[order.step];
  const slow = (machine.stepsSlow > 0 ? 10 : 1) * world.plan.pace;
  // The service manager kills what does not stop.
  const most = order.step === 'stop_server' ? stopTimeout : Number.POSITIVE_INFINITY;
  const at = world.now + Math.min(most, world.random.between(low, high) * slow);
  if (order.step === 'stop_server') {
    machine.server.asked = true;
    machine.server.stopping = machine.server.order;
  }
  world.queue.push(at, happening.stepDone, machine.index, machine.life, order);
}

/** The step's work is done now (or has failed); a stopped agent does its own work later. */
export function finishStep(world: World, machine: Machine, life: number, order: StepEffect): void {
  const ownWork = order.step !== 'stop_server';
  if (!machine.powered || (ownWork && life !== machine.life)) return;
  if (machine.nodeFrozen || (ownWork && machine.agentFrozen)) {
    world.queue.push(world.now + 100, happening.stepDone, machine.index, life, order);
    return;
  }
  const failed = machine.stepsFail > 0 && order.step !== 'stop_server';
  const done = failed ? null : perform(world, machine, order);
  if (done === null) machine.failedAt = world.now;
  if (life !== machine.life) return;
  feed(world, machine, {
    kind: 'step_done',
    step: order.step,
    epoch: order.epoch,
    ok: done !== null,
    detail: done === null ? 'it failed' : '',
    ...done,
  });
}

interface Done {
  readonly firstRevision?: number;
  readonly lastRevision?: number;
}
const plain: Done = {};

function perform(world: World, machine: Machine, order: StepEffect): Done | null {
  switch (order.step) {
    case 'install_datastore':
      // Whoever follows since the order puts nothing in place any more (replication.ts).
      if (machine.diskFull > 0 || (machine.follow?.master ?? -1) >= 0) return null;
      return install(world, machine, order.epoch, order.raise, order.from);
    case 'stop_server':
      return stopServer(world, machine);
    case 'send_last_revisions':
      return sendLast(world, machine, order.to);
    case 'check_ready':
      return machine.server.running && machine.server.ready ? plain : null;
    case 'install_archive':
      return machine.diskFull > 0 ? null : plain;
    default:
      return plain;
  }
}

function install(
  world: World,
  machine: Machine,
  epoch: number,
  raise: boolean,
  from: 'server' | 'replica' | 'none',
): Done | null {
  const { store } = machine;
  // The database of a running server is not to be touched.
  if (machine.server.running) return null;
  world.tenures += 1;
  const base = from === 'none' ? emptyStore() : store;
  store.saved = beginTenure(base, { tenure: world.tenures, epoch, raise });
  Object.assign(store, store.saved);
  world.judge.began(store.chain);
  if (raise) world.coverage.counts.raises += 1;
  store.source = 'server';
  store.unclean = false;
  const begun = store.chain[store.chain.length - 1];
  return { firstRevision: begun === undefined ? 1 : begun.first };
}

/**
 * A clean stop: everything committed is in the files. When the process was killed meanwhile, or the
 * next one was started, there is nothing left to do: the shell begins no step before this one ends.
 */
function stopServer(world: World, machine: Machine): Done {
  const { server, store } = machine;
  if (server.stopping !== server.order) return plain;
  server.order += 1;
  server.asked = true;
  if (server.running) {
    noteEnd(world, machine, 'told_to_stop');
    settleWrites(world, machine);
    world.judge.serverEnds(world, machine);
    server.running = false;
    server.ready = false;
  }
  store.dirty = false;
  return plain;
}

function sendLast(world: World, machine: Machine, to: string): Done | null {
  const last = { lastRevision: headOf(machine.store.chain) };
  if (world.flaws.lastRevisionsNotSent) return last;
  const receiver = machineOf(world, world.indexOf.get(to) ?? machine.index);
  const reachable = isAwake(receiver) && receiver !== machine;
  if (!reachable || !canStream(world, machine.index, receiver.index)) return null;
  if (receiver.follow?.master !== machine.index || receiver.server.running) return null;
  copyTo(world, machine, receiver, 0);
  const { chain } = machine.store;
  return commonHead(chain, receiver.store.chain) === headOf(chain) ? last : null;
}

/** Tells a node's core how far its own copy goes. */
export function feedFacts(world: World, machine: Machine): DatastoreFacts {
  const facts = factsOf(machine.store);
  feed(world, machine, { kind: 'datastore', facts });
  return facts;
}

/** The outcome of a job of the unit manager, to whoever waits for it in this life of the agent. */
export function stepDone(
  world: World,
  machine: Machine,
  step: Step,
  epoch: number,
  ok: boolean,
  detail: string,
): void {
  if (!ok) {
    machine.failedAt = world.now;
    disturbFromInside(world);
  }
  feed(world, machine, { kind: 'step_done', step, epoch, ok, detail });
}
