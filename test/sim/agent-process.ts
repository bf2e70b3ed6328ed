/**
 * The agent's process on one machine: feeds events to the core and carries out what it decides.
 *
 * Keeps the caller's duties of agent/core/types.ts: effects in order; a persist that fails drops
 * the rest and the new state, and `persist_failed` follows; a timer of the same name replaces the
 * earlier one, late but never early. A process that is stopped keeps its events in its sockets, up
 * to a bound. A fault may kill or stop the process between two effects.
 */
import { mustRepeat } from '../../agent/core/repeats.ts';
import type { AgentEvent, Effect, TimerName } from '../../agent/core/types.ts';
import type { Instant } from '../../shared/time/duration.ts';
import { noteReply } from './checks/promises.ts';
import { breakAgent } from './machine.ts';
import { transmit } from './network.ts';
import { closeGate, fence, openGate } from './server.ts';
import { orderStep } from './steps.ts';
import { noteTrigger } from './triggers.ts';
import {
  bootClock,
  happening,
  type Machine,
  type Suspended,
  trueTime,
  type World,
} from './world.ts';

export const timerNames: readonly TimerName[] = [
  'lease-expiry',
  'silence',
  'renew',
  'fence',
  'candidate',
  'answers',
  'cold-start',
  'learn',
  'retire',
  'sit-out',
  'announce',
];
const timerNumber = Object.fromEntries(timerNames.map((name, index) => [name, index])) as Record<
  TimerName,
  number
>;

/** What a stopped process finds in its sockets when it goes on. */
const inboxBound = 256;
/** An event whose turn failed comes again after this time, ms. */
const again = 1000;
/** Failed persists in a row within one event before the judge calls it a loop. */
const persistBound = 4;

export function feed(world: World, machine: Machine, event: AgentEvent, depth = 0): void {
  if (!machine.up) return;
  if (machine.agentFrozen || machine.nodeFrozen) {
    if (machine.inbox.length < inboxBound) machine.inbox.push(event);
    return;
  }
  const now = bootClock(world, machine) as Instant;
  const before = machine.state;
  const decision = world.core.decide(before, event, now, machine.config);
  world.decisions += 1;
  world.trace?.decision(world, machine, event, decision.effects, decision.reason);
  world.judge.decided(world, machine, event, decision.effects);
  machine.before = before;
  machine.state = decision.state;
  const counted = machine.counted;
  const turn = { event, effects: decision.effects, from: 0 };
  const failed = carryOut(world, machine, turn);
  if (failed === null) return;
  machine.counted = counted;
  persistFailed(world, machine, turn, failed, depth);
}

/** The old state stays, what came once is repeated (duty 1), and the core is told. */
function persistFailed(
  world: World,
  machine: Machine,
  { event, effects }: Suspended,
  failed: 'disk' | 'run',
  depth: number,
): void {
  machine.state = machine.before;
  if (mustRepeat(event, effects)) repeat(world, machine, event);
  if (depth >= persistBound) {
    world.judge.violate(world, 'persist-loop', `${machine.name} retries a failing write forever`);
    return;
  }
  const detail = 'no space left';
  feed(world, machine, { kind: 'persist_failed', what: failed, detail }, depth + 1);
}

function repeat(world: World, machine: Machine, event: AgentEvent): void {
  if (event.kind === 'timer') {
    armTimer(world, machine, event.timer, bootClock(world, machine) + again);
  } else {
    world.queue.push(world.now + again, happening.feed, machine.index, machine.life, event);
  }
}

/** The kind of write that failed, or null when everything (up to a break) was done. */
function carryOut(world: World, machine: Machine, turn: Suspended): 'disk' | 'run' | null {
  const { event, effects, from } = turn;
  for (let i = from; i < effects.length; i += 1) {
    const effect = effects[i] as Effect;
    if (machine.breakBy !== null && strikes(machine, effect)) {
      breakAgent(world, machine, { event, effects, from: i });
      return null;
    }
    const failed = execute(world, machine, effect);
    if (failed !== null) return failed;
    if (effect.kind === 'reply') noteReply(world, machine, event, effect);
    if (!machine.up) return null;
  }
  return null;
}

/** Does the fault that waits for "between two effects" strike before this one? */
function strikes(machine: Machine, effect: Effect): boolean {
  if (machine.breakBy?.kind === 'torn_epoch') return effect.kind === 'persist_disk';
  machine.breakAfter -= 1;
  return machine.breakAfter < 0;
}

/** Goes on with a decision that a freeze interrupted. */
export function resume(world: World, machine: Machine, rest: Suspended): void {
  machine.resumes = true;
  const failed = carryOut(world, machine, rest);
  machine.resumes = false;
  if (failed !== null) persistFailed(world, machine, rest, failed, 0);
}

function execute(world: World, machine: Machine, effect: Effect): 'disk' | 'run' | null {
  switch (effect.kind) {
    case 'persist_disk':
      if (machine.diskFull > 0 || machine.failNextWrite) {
        machine.failNextWrite = false;
        return world.flaws.failedWriteIgnored ? null : 'disk';
      }
      world.judge.diskWritten(world, machine, effect.record);
      if (!world.flaws.diskNotWritten) machine.oldDisk = machine.disk;
      machine.disk = effect.record;
      machine.counted = effect.record;
      return null;
    case 'persist_run':
      if (machine.runFull > 0) return 'run';
      if (!world.flaws.runNotWritten) machine.run = effect.record;
      return null;
    case 'send': {
      const to = world.indexOf.get(effect.to);
      world.judge.sent(world, machine, effect.message);
      if (to !== undefined) transmit(world, machine, to, effect.message);
      noteTrigger(world, machine, effect.message.kind);
      return null;
    }
    case 'timer':
      armTimer(world, machine, effect.timer, effect.at);
      return null;
    case 'cancel_timer':
      bump(machine, effect.timer);
      return null;
    case 'open_gate':
      openGate(world, machine, effect.epoch, effect.deadline);
      return null;
    case 'close_gate':
      closeGate(machine);
      return null;
    case 'fence':
      fence(world, machine);
      return null;
    case 'step':
      orderStep(world, machine, effect);
      noteTrigger(world, machine, effect.step);
      return null;
    case 'follow':
      follow(world, machine, effect.master, effect.epoch);
      return null;
    case 'reply':
      if (effect.id === 'shutdown' && machine.leaving) {
        const at = world.now + 50;
        const { power, offAfter } = machine;
        world.queue.push(at, happening.goOff, machine.index, power, offAfter);
      }
      return null;
  }
}

function follow(world: World, machine: Machine, master: string, epoch: number): void {
  const index = world.indexOf.get(master);
  if (index === undefined) return;
  world.judge.follows(world, machine, epoch);
  machine.follow = { master: index, epoch };
}

const bump = (machine: Machine, timer: TimerName): number => {
  const number = timerNumber[timer];
  const version = (machine.timers[number] as number) + 1;
  machine.timers[number] = version;
  return version;
};

function armTimer(world: World, machine: Machine, timer: TimerName, at: number): void {
  const version = bump(machine, timer);
  // Timers of a busy machine are late by some milliseconds, of a slow one by much more.
  let when = Math.max(world.now, trueTime(machine, at)) + world.random.next() * 8;
  if (machine.slow > 0) when += world.random.next() * machine.slow;
  const token = version * timerNames.length + timerNumber[timer];
  world.queue.push(when, happening.timer, machine.index, token, at);
}

export function timerFires(world: World, machine: Machine, token: number, at: number): void {
  const number = token % timerNames.length;
  if ((machine.timers[number] as number) !== (token - number) / timerNames.length) return;
  if (machine.agentFrozen || machine.nodeFrozen) return keepTimer(world, machine, token, at);
  if (bootClock(world, machine) < at) {
    world.queue.push(trueTime(machine, at) + 0.01, happening.timer, machine.index, token, at);
    return;
  }
  feed(world, machine, { kind: 'timer', timer: timerNames[number] as TimerName });
}

/** Looked at again until the process goes on: a timer is late then, and not lost. */
function keepTimer(world: World, machine: Machine, token: number, at: number): void {
  world.queue.push(world.now + 50, happening.timer, machine.index, token, at);
}

/** Timers end with the process. */
export function forgetTimers(machine: Machine): void {
  for (let i = 0; i < machine.timers.length; i += 1) {
    machine.timers[i] = (machine.timers[i] as number) + 1;
  }
}
