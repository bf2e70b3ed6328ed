/**
 * The simulated world: machines, their clocks, disks and servers, the network between them, and
 * everything that is going to happen.
 *
 * One true time runs for all (`now`, ms); each machine reads it through its own boot clock. Data
 * only: what happens is in machine.ts (power and processes), shell.ts (effects), server.ts
 * (server and fences), network.ts, stream.ts, faults.ts; the judges are in checks/.
 */
import type {
  AgentEvent,
  CoreConfig,
  DiskRecord,
  Effect,
  RunRecord,
  Step,
} from '../../agent/core/types.ts';
import type { LeaseMessageKind, NodeName } from '../../shared/protocol/lease-messages.ts';
import type { Judge } from './checks/judge.ts';
import type { Promised } from './checks/promises.ts';
import type { Ender } from './containment.ts';
import type { Coverage } from './coverage.ts';
import type { EventQueue } from './event-queue.ts';
import type { Flaws } from './flaws.ts';
import type { Plan, PlannedFault } from './plan.ts';
import type { SeededRandom } from './random.ts';
import type { SimCore } from './sim-core.ts';
import type { Store } from './store.ts';
import type { Tracer } from './trace.ts';

/** Kinds of entries in the queue; numbers, for the loop switches on them some thousand times. */
export const happening = {
  deliver: 0,
  timer: 1,
  stepDone: 2,
  powerOn: 3,
  agentStart: 4,
  thaw: 5,
  deadmanLook: 6,
  serverUp: 7,
  serverReady: 8,
  serverEnd: 9,
  streamTick: 10,
  fault: 11,
  faultEnd: 12,
  armTrigger: 13,
  feed: 14,
  departureLook: 15,
  liveness: 16,
  lie: 17,
  promote: 18,
  found: 19,
  goOff: 20,
} as const;

export interface ServerModel {
  running: boolean;
  ready: boolean;
  /** True time at which it last became ready. */
  readyAt: number;
  epoch: number;
  /** Rises with each order to start, stop or kill; older happenings are void. */
  order: number;
  /** Rises with each process. */
  life: number;
  /** What `order` was when a stop was ordered: it never ends what was started since. */
  stopping: number;
  /** Somebody asked for its end: then its exit is no event. */
  asked: boolean;
  masked: boolean;
  /** True time up to which its writes are counted. */
  writtenUntil: number;
  writesPerMs: number;
  deadmanLooks: boolean;
  /** Why the present or last process answers no more. */
  endedBy: Ender;
}

export interface LeaseFile {
  readonly bootId: string;
  readonly epoch: number;
  /** Boot clock of the machine. */
  readonly deadline: number;
  /** What a (wrong) reader of the wall clock would take for the deadline. */
  readonly wallDeadline: number;
}

/** A decision interrupted between two effects; carried out to the end when the process goes on. */
export interface Suspended {
  readonly event: AgentEvent;
  readonly effects: readonly Effect[];
  readonly from: number;
}

export interface Machine {
  readonly index: number;
  readonly name: NodeName;
  readonly config: CoreConfig;

  powered: boolean;
  /** Rises with each change of power; older happenings are void. */
  power: number;
  boots: number;
  bootId: string;
  /** True time at which the boot clock read 0. */
  bootedAt: number;
  rate: number;
  wallOffset: number;
  wallSynchronised: boolean;

  /** The agent's process. */
  up: boolean;
  life: number;
  startedAt: number;
  /** True time at which its agent ended last. */
  downAt: number;
  agentFrozen: boolean;
  nodeFrozen: boolean;
  thawToken: number;
  inbox: AgentEvent[];
  suspended: Suspended | null;
  /** Effects still to be carried out before `breakBy` kills or stops the process. */
  breakAfter: number;
  breakBy: PlannedFault | null;
  state: unknown;
  /** The state before the last decision; what stays when a write fails. */
  before: unknown;
  timers: Int32Array;
  leaving: boolean;
  /** Ms without power after the shutdown under way. */
  offAfter: number;
  /** True times: it is not waited for beyond this, and it last held the role. */
  leaveBy: number;
  releasedAt: number;
  /** Stays without power until then, whatever else the plan says (`promote`). */
  deadUntil: number;

  disk: DiskRecord | null;
  oldDisk: DiskRecord | null;
  /** The last record of a turn that was carried out: nothing depends on that of a failed turn. */
  counted: DiskRecord | null;
  /** Carries out the rest of a decision that a freeze interrupted, later than it was made. */
  resumes: boolean;
  run: RunRecord | null;
  diskFull: number;
  failNextWrite: boolean;
  runFull: number;
  store: Store;

  leaseFile: LeaseFile | null;
  /** True time at which the kernel shuts the data path; 0 when shut. */
  gateUntil: number;
  gateLate: number;
  deadman: boolean;
  deadmanPhase: number;
  /** Since when the dead man's switch has lived on a machine that was not frozen. */
  watchedSince: number;
  /** The server life that was ordered to end, and when. */
  fenced: { readonly life: number; readonly at: number } | null;
  server: ServerModel;

  follow: { readonly master: number; readonly epoch: number } | null;
  slow: number;
  /** Faults that keep it from hearing and answering while its server serves. */
  overload: number;
  loss: number;
  stepsFail: number;
  stepsSlow: number;
  crashLoop: number;
  brokerUp: boolean;
  /** True time of the last failure of a step, or of a lease lost often; it may sit out then. */
  failedAt: number;
  /** True time up to which it may wait for a last owner that is not there. */
  waitedUntil: number;
  /** The last `baton promote` that was answered with yes (checks/promises.ts). */
  promised: Promised | null;
}

/** What a coordinator has seen pass, and may send again. */
export interface RememberedMessage {
  readonly to: number;
  readonly payload: unknown;
}

/** Messages of one kind that a fault keeps back, or keeps a copy of, until its end. */
export interface Hold {
  readonly fault: PlannedFault;
  readonly to: number;
  readonly flights: unknown[];
}

export interface World {
  readonly plan: Plan;
  readonly core: SimCore;
  readonly flaws: Flaws;
  readonly random: SeededRandom;
  readonly queue: EventQueue;
  readonly machines: readonly Machine[];
  readonly indexOf: ReadonlyMap<NodeName, number>;
  readonly judge: Judge;
  readonly coverage: Coverage;
  readonly trace: Tracer | null;
  now: number;
  /** cut[from * count + to]: number of faults that stop messages that way. */
  readonly cut: Uint8Array;
  loss: number;
  delay: number;
  duplicate: number;
  holds: Hold[];
  /** Faults that wait for a step or a message of this kind. */
  triggers: Map<Step | LeaseMessageKind, PlannedFault[]>;
  tenures: number;
  inFlight: number;
  decisions: number;
  commands: number;
  /** Coordinators that repeat old messages now; the messages they know, if the plan has such. */
  lies: number;
  readonly remembers: boolean;
  readonly memory: RememberedMessage[];
  memorised: number;
  /** Lasting faults now in force, and the moment of the last change of any. */
  disturbances: number;
  disturbedAt: number;
  /** The same, of what the plan brings about only: faults, people, and machines that start. */
  changedAt: number;
  /** When a holder last took a voter in or out. */
  listChangedAt: number;
  ended: boolean;
  /** The first fault beyond the model, once it has struck; whose server started last. */
  struck: PlannedFault | null;
  lastServer: Machine | null;
}

export const machineOf = (world: World, index: number): Machine => world.machines[index] as Machine;

/** The boot clock as a program reads it: steps of the clock's resolution, rounded down. */
export function bootClock(world: World, machine: Machine): number {
  const step = machine.config.clockResolution;
  const exact = (world.now - machine.bootedAt) * machine.rate;
  return Math.floor(exact / step + 1e-6) * step;
}

/** The first true time at which the boot clock reads `reading` or more. */
export function trueTime(machine: Machine, reading: number): number {
  const step = machine.config.clockResolution;
  return machine.bootedAt + (Math.ceil(reading / step) * step) / machine.rate;
}

/** Its agent's process runs. */
export const isAwake = ({ up, agentFrozen, nodeFrozen }: Machine): boolean =>
  up && !agentFrozen && !nodeFrozen;

/** Its server leaves nothing to its agent: nobody is heard or answered. */
export const isOverloaded = ({ overload, server }: Machine): boolean =>
  overload > 0 && server.ready;

export const isVoter = ({ config, index }: Machine): boolean => config.nodes[index]?.voter === true;

/** By the kernel's timer: nobody outside the machine is answered. */
export const dataPathIsShut = ({ plan, flaws, now }: World, machine: Machine): boolean =>
  plan.dataPathGate && !flaws.gateNeverShuts && now >= machine.gateUntil;

/** Something changed that the liveness bound has to wait for. */
export function disturb(world: World): void {
  world.disturbedAt = world.now;
  world.changedAt = world.now;
}

/** A step or a server failed: a change too, but one that a core may bring about by itself. */
export function disturbFromInside(world: World): void {
  world.disturbedAt = world.now;
}
