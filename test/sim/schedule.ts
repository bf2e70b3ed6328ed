/**
 * Runs one schedule: builds the world of a plan, lets one simulated minute happen, and says what
 * the judge saw.
 *
 * Everything follows from (plan, core): the same two give the same run, to the letter.
 */

import type { AgentEvent, DiskRecord } from '../../agent/core/types.ts';
import { feed, timerFires, timerNames } from './agent-process.ts';
import { stateIsTooBig } from './checks/bounds.ts';
import { judge, type Violation } from './checks/judge.ts';
import { masterIsThere } from './checks/liveness.ts';
import { everyVoteCounts } from './checks/votes.ts';
import { noteOutcome } from './containment.ts';
import type { Coverage } from './coverage.ts';
import { eventQueue, type QueueEntry } from './event-queue.ts';
import { endFault, type FaultEnd, planFaults, strike } from './faults.ts';
import { noFlaws } from './flaws.ts';
import { agentStarts, goOff, lookAtDeparture, powerOn, thaw } from './machine.ts';
import { promoteAlone } from './machine-faults.ts';
import { type Flight, lie, setCut } from './network.ts';
import { lookToFound, type Visit } from './operator.ts';
import type { Plan, PlannedFault, StartOfMachine } from './plan.ts';
import { seededRandom } from './random.ts';
import { deadmanLooks, serverEnded, serverReady, serverUp } from './server.ts';
import type { SimCore } from './sim-core.ts';
import { finishStep, type StepEffect } from './steps.ts';
import { copyOf, emptyStore, type Store } from './store.ts';
import { streamTick } from './stream.ts';
import type { Tracer } from './trace.ts';
import { armTrigger } from './triggers.ts';
import { happening, type Machine, machineOf, type World } from './world.ts';

export interface Outcome {
  readonly violation: Violation | null;
  readonly decisions: number;
}

export interface RunOptions {
  readonly core: SimCore;
  readonly coverage: Coverage;
  readonly trace?: Tracer | null;
}

const whileRunning = 2;
/** More than this many messages on their way at once is a storm. */
const flightBound = 4000;

// One queue per process: its pooled entries are the bulk of what a schedule would allocate.
const queue = eventQueue();

export function runSchedule(plan: Plan, options: RunOptions): Outcome {
  const world = buildWorld(plan, options);
  planFaults(world);
  if (plan.storm?.cut) {
    const last = world.machines.length - 1;
    setCut(world, 0, last, 1);
    setCut(world, last, 0, 1);
  }
  for (const machine of world.machines) {
    const start = plan.starts[machine.index] as StartOfMachine;
    if (start.powerAt < Number.POSITIVE_INFINITY) {
      queue.push(start.powerAt, happening.powerOn, machine.index, 0, null);
    }
  }
  queue.push(1000, happening.liveness, -1, 0, null);
  try {
    live(world);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    world.judge.violate(world, 'core-threw', text);
  }
  options.coverage.counts.decisions += world.decisions;
  noteOutcome(world);
  return { violation: world.judge.violation, decisions: world.decisions };
}

function live(world: World): void {
  const { length } = world.plan;
  for (;;) {
    const entry = queue.pop();
    if (entry === null || entry.at > length) break;
    world.now = entry.at;
    happen(world, entry);
    queue.recycle(entry);
    if (world.ended) return;
  }
  const text = stateIsTooBig(world);
  if (text !== null) world.judge.violate(world, 'state-too-big', text);
}

/** What each kind of entry does; `machine` is the first one where an entry is about all of them. */
type Handler = (world: World, machine: Machine, token: number, payload: unknown) => void;

const handlers: Readonly<Record<keyof typeof happening, Handler>> = {
  deliver: (world, machine, _token, payload) => deliver(world, machine, payload as Flight),
  timer: (world, machine, token, payload) => timerFires(world, machine, token, payload as number),
  stepDone: (world, machine, token, payload) =>
    finishStep(world, machine, token, payload as StepEffect),
  powerOn,
  agentStart: agentStarts,
  thaw,
  feed: (world, machine, token, payload) => {
    if (token === machine.life) feed(world, machine, payload as AgentEvent);
  },
  streamTick,
  deadmanLook: deadmanLooks,
  serverUp: (world, machine, token, payload) => serverUp(world, machine, token, payload as number),
  serverReady: (world, machine, token, payload) =>
    serverReady(world, machine, token, payload as number),
  serverEnd: serverEnded,
  faultEnd: (world, _machine, _token, payload) => endFault(world, payload as FaultEnd),
  departureLook: lookAtDeparture,
  goOff: (world, machine, token, payload) => goOff(world, machine, token, payload as number),
  promote: promoteAlone,
  fault: (world, _machine, _token, payload) => strike(world, payload as PlannedFault),
  armTrigger: (world, _machine, _token, payload) => armTrigger(world, payload as PlannedFault),
  lie,
  found: (world, _machine, _token, payload) => lookToFound(world, payload as Visit),
  liveness: (world) => {
    const text = masterIsThere(world);
    if (text !== null) world.judge.violate(world, 'no-master', text);
    const vote = everyVoteCounts(world);
    if (vote !== null) world.judge.violate(world, 'vote-not-counted', vote);
    queue.push(world.now + 1000, happening.liveness, -1, 0, null);
  },
};

/** By number, for the loop looks here some thousand times. */
const byNumber: Handler[] = [];
for (const [name, number] of Object.entries(happening)) {
  byNumber[number] = handlers[name as keyof typeof happening];
}

function happen(world: World, { kind, machine, token, payload }: QueueEntry): void {
  const handler = byNumber[kind] as Handler;
  handler(world, machineOf(world, Math.max(0, machine)), token, payload);
}

function deliver(world: World, machine: Machine, flight: Flight): void {
  world.inFlight -= 1;
  if (world.inFlight > flightBound) {
    const text = `${world.inFlight} messages are on their way`;
    world.judge.violate(world, 'too-many-messages', text);
  }
  if (!machine.up) return;
  const from = machineOf(world, flight.from).name;
  feed(world, machine, { kind: 'message', from, message: flight.message });
}

function buildWorld(plan: Plan, options: RunOptions): World {
  queue.clear();
  const count = plan.nodes.length;
  return {
    plan,
    core: options.core,
    flaws: noFlaws,
    random: seededRandom(plan.seed, whileRunning),
    queue,
    machines: plan.nodes.map((_, index) => buildMachine(plan, index)),
    indexOf: new Map(plan.nodes.map((node, index) => [node.name, index])),
    judge: judge(plan.head),
    coverage: options.coverage,
    trace: options.trace ?? null,
    now: 0,
    cut: new Uint8Array(count * count),
    loss: plan.storm?.loss ?? 0,
    delay: 0,
    duplicate: plan.storm?.repeated ?? 0,
    holds: [],
    triggers: new Map(),
    tenures: 1,
    inFlight: 0,
    decisions: 0,
    commands: 0,
    lies: 0,
    remembers: plan.faults.some((fault) => fault.kind === 'broker_lies'),
    memory: [],
    memorised: 0,
    // A storm never ends: no bound on anything is judged in it.
    disturbances: plan.storm === null ? 0 : 1,
    disturbedAt: 0,
    listChangedAt: 0,
    changedAt: 0,
    ended: false,
    struck: null,
    lastServer: null,
  };
}

function buildMachine(plan: Plan, index: number): Machine {
  const start = plan.starts[index] as StartOfMachine;
  const node = plan.nodes[index] as Plan['nodes'][number];
  return {
    index,
    name: node.name,
    config: plan.configs[index] as Machine['config'],
    powered: false,
    power: 0,
    boots: 0,
    bootId: '',
    bootedAt: 0,
    rate: start.rate,
    wallOffset: 0,
    wallSynchronised: true,
    up: false,
    life: 0,
    startedAt: 0,
    downAt: 0,
    agentFrozen: false,
    nodeFrozen: false,
    thawToken: 0,
    inbox: [],
    suspended: null,
    breakAfter: 0,
    breakBy: null,
    state: null,
    before: null,
    timers: new Int32Array(timerNames.length),
    leaving: false,
    offAfter: 0,
    leaveBy: 0,
    releasedAt: 0,
    deadUntil: 0,
    disk: diskOf(plan, index),
    oldDisk: diskOf(plan, index),
    counted: null,
    resumes: false,
    run: null,
    diskFull: 0,
    failNextWrite: false,
    runFull: 0,
    store: storeOf(plan, index, start),
    leaseFile: null,
    gateUntil: 0,
    gateLate: 0,
    deadman: true,
    deadmanPhase: 0,
    watchedSince: 0,
    fenced: null,
    server: { ...neverRun },
    follow: null,
    slow: 0,
    overload: 0,
    loss: 0,
    stepsFail: 0,
    stepsSlow: 0,
    crashLoop: 0,
    brokerUp: true,
    failedAt: 0,
    waitedUntil: 0,
    promised: null,
  };
}

/** A server before its first start. */
const neverRun: Machine['server'] = {
  running: false,
  ready: false,
  readyAt: 0,
  epoch: 0,
  order: 0,
  life: 0,
  stopping: 0,
  asked: false,
  masked: true,
  writtenUntil: 0,
  writesPerMs: 0,
  deadmanLooks: false,
  endedBy: 'went_by_itself',
};

/** What the card knows of an earlier life; nodes that never take part know nothing. */
function diskOf(plan: Plan, index: number): DiskRecord | null {
  const node = plan.nodes[index] as Plan['nodes'][number];
  if (plan.epoch === 0 || (!node.voter && !node.eligible)) return null;
  const voters = plan.nodes.filter((entry) => entry.voter).map((entry) => entry.name);
  return {
    version: 1,
    highest_epoch: plan.epoch,
    epoch_owner: plan.nodes[plan.owner]?.name ?? null,
    list: { epoch: 0, number: 0, members: voters, previous: [], committed: true },
    newest_wall_ms: 0,
  };
}

function storeOf(plan: Plan, index: number, start: StartOfMachine): Store {
  const store = emptyStore();
  if (plan.epoch === 0 || start.behind === null || !plan.nodes[index]?.eligible) return store;
  const last = plan.head - start.behind;
  const { epoch } = plan;
  store.chain = [{ tenure: 1, epoch, first: 1, last }];
  store.lineage = [{ epoch, firstRevision: 1, lastTakenOver: 0, markBefore: null }];
  store.saved = copyOf(store);
  store.source = index === plan.owner ? 'server' : 'replica';
  store.unclean = store.source === 'server' && !start.cleanStop;
  return store;
}
