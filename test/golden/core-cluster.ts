/**
 * A few cores on one virtual clock, for golden traces and rule tests: every effect is carried out
 * at once, every message arrives after the same latency unless the test cuts or holds it. The
 * simulator (test/sim) is the hostile sibling of this; here nothing happens that the test did not
 * ask for.
 */
import { type CoreState, decide, initialState, view } from '../../agent/core/mastership.ts';
import type {
  AgentEvent,
  CoreConfig,
  CoreView,
  DatastoreFacts,
  DiskRecord,
  Effect,
  RunRecord,
  Step,
  TimerName,
} from '../../agent/core/types.ts';
import type { LeaseMessage, NodeName } from '../../shared/protocol/lease-messages.ts';
import { instant, milliseconds, wallTime } from '../../shared/time/duration.ts';

export interface NodeOptions {
  readonly eligible?: boolean;
  readonly voter?: boolean;
}

export const testConfig = (
  node: NodeName,
  nodes: Readonly<Record<NodeName, NodeOptions>>,
): CoreConfig => ({
  node,
  nodes: Object.entries(nodes).map(([name, { eligible = true, voter = true }]) => ({
    name,
    eligible,
    voter,
  })),
  leaseDuration: milliseconds(8000),
  renewInterval: milliseconds(1500),
  fenceAfter: milliseconds(5000),
  driftBound: 0.01,
  clockResolution: milliseconds(10),
  answerTimeout: milliseconds(700),
  candidateStagger: milliseconds(300),
  yieldWait: milliseconds(2000),
  coldStartWait: milliseconds(300_000),
  retireAfter: milliseconds(900_000),
  sitOut: milliseconds(60_000),
  serverRestarts: 3,
  apiHost: `${node}.local`,
  apiPort: 6443,
});

interface Machine {
  readonly config: CoreConfig;
  state: CoreState;
  up: boolean;
  boots: number;
  disk: DiskRecord | null;
  run: RunRecord | null;
  datastore: DatastoreFacts;
  server: boolean;
  gate: number;
  readonly timers: Map<TimerName, number>;
}

interface Flight {
  readonly at: number;
  readonly to: NodeName;
  readonly event: AgentEvent;
}

const latency = 5;
const replica = (lineageEpoch: number, revision: number): DatastoreFacts => ({
  lineageEpoch,
  revision,
  clean: true,
  source: revision === 0 ? 'none' : 'replica',
});

export class CoreCluster {
  readonly machines = new Map<NodeName, Machine>();
  /** Sentences and effects worth keeping, one line each: what a golden trace compares. */
  readonly trace: string[] = [];
  /** Steps that fail when they are ordered; by node and step. */
  readonly failing = new Set<string>();
  /** Duration of every step, ms. */
  stepTakes = 50;
  /** Decides whether a message arrives; the default lets everything through. */
  passes: (from: NodeName, to: NodeName, message: LeaseMessage) => boolean = () => true;
  /** Messages the test holds back and may deliver by itself. */
  readonly held: { from: NodeName; to: NodeName; message: LeaseMessage }[] = [];
  holds: (from: NodeName, to: NodeName, message: LeaseMessage) => boolean = () => false;
  failPersist: NodeName | null = null;
  now = 1000;
  private flights: Flight[] = [];

  constructor(nodes: Readonly<Record<NodeName, NodeOptions>>) {
    for (const name of Object.keys(nodes)) {
      const config = testConfig(name, nodes);
      this.machines.set(name, {
        config,
        state: initialState(config),
        up: false,
        boots: 0,
        disk: null,
        run: null,
        datastore: replica(0, 0),
        server: false,
        gate: 0,
        timers: new Map(),
      });
    }
  }

  machine(name: NodeName): Machine {
    const machine = this.machines.get(name);
    if (machine === undefined) throw new Error(`no machine ${name}`);
    return machine;
  }

  view(name: NodeName): CoreView {
    const machine = this.machine(name);
    return view(machine.state, instant(this.now), machine.config);
  }

  /** A boot: what was in /run is gone, the server too. */
  boot(...names: readonly NodeName[]): void {
    for (const name of names) {
      const machine = this.machine(name);
      machine.boots += 1;
      machine.run = null;
      machine.server = false;
      machine.gate = 0;
      this.startProcess(name);
    }
  }

  /** The process alone: /run and the server are still there. */
  startProcess(name: NodeName): void {
    const machine = this.machine(name);
    machine.state = initialState(machine.config);
    machine.timers.clear();
    machine.up = true;
    this.give(name, {
      kind: 'started',
      facts: {
        bootId: `${name}-boot-${machine.boots}`,
        nonce: `${name}${machine.boots}`,
        run: machine.run,
        disk: machine.disk,
        datastore: machine.datastore,
        serverRunning: machine.server,
        wall: { time: wallTime(1_800_000_000_000 + this.now), synchronised: true },
      },
    });
  }

  powerOff(...names: readonly NodeName[]): void {
    for (const name of names) {
      const machine = this.machine(name);
      machine.up = false;
      machine.server = false;
      machine.timers.clear();
      this.trace.push(`${this.now} ${name} power off`);
    }
  }

  /** Sets what the node holds, and tells its core. */
  setDatastore(name: NodeName, facts: DatastoreFacts): void {
    this.machine(name).datastore = facts;
    if (this.machine(name).up) this.give(name, { kind: 'datastore', facts });
  }

  give(name: NodeName, event: AgentEvent): void {
    const machine = this.machine(name);
    const decision = decide(machine.state, event, instant(this.now), machine.config);
    if (this.failPersist === name) {
      const persist = decision.effects.find((effect) => effect.kind.startsWith('persist'));
      if (persist !== undefined && event.kind !== 'persist_failed') {
        this.give(name, { kind: 'persist_failed', what: 'disk', detail: 'full' });
        if (event.kind === 'timer') machine.timers.set(event.timer, this.now + 1000);
        return;
      }
    }
    machine.state = decision.state;
    if (decision.reason !== '') this.trace.push(`${this.now} ${name} ${decision.reason}`);
    for (const effect of decision.effects) this.carryOut(name, machine, effect);
  }

  private carryOut(name: NodeName, machine: Machine, effect: Effect): void {
    const line = (text: string) => this.trace.push(`${this.now} ${name}   ${text}`);
    if (effect.kind === 'persist_disk') machine.disk = structuredClone(effect.record);
    else if (effect.kind === 'persist_run') machine.run = structuredClone(effect.record);
    else if (effect.kind === 'timer') machine.timers.set(effect.timer, effect.at);
    else if (effect.kind === 'cancel_timer') machine.timers.delete(effect.timer);
    else if (effect.kind === 'send') this.post(name, effect.to, effect.message);
    else if (effect.kind === 'open_gate') machine.gate = effect.deadline;
    else if (effect.kind === 'close_gate') machine.gate = 0;
    else if (effect.kind === 'fence') {
      machine.server = false;
      line(`fence epoch ${effect.epoch}`);
    } else if (effect.kind === 'follow') {
      line(`follow ${effect.master} epoch ${effect.epoch} serving ${effect.serving}`);
    } else if (effect.kind === 'reply') line(`reply ${effect.id} ${effect.ok} ${effect.text}`);
    else this.step(name, machine, effect, line);
  }

  private step(
    name: NodeName,
    machine: Machine,
    effect: Extract<Effect, { kind: 'step' }>,
    line: (text: string) => void,
  ): void {
    const { step, epoch } = effect;
    const detail = step === 'install_datastore' ? ` raise ${effect.raise} from ${effect.from}` : '';
    line(`step ${step} epoch ${epoch}${detail}`);
    const ok = !this.failing.has(`${name} ${step}`);
    if (step === 'start_server' && ok) machine.server = machine.gate > this.now;
    if (step === 'stop_server') machine.server = false;
    if (step === 'check_ready' && ok) {
      const revision = machine.datastore.revision + 10;
      machine.datastore = { lineageEpoch: epoch, revision, clean: true, source: 'server' };
    }
    const { revision: lastRevision } = machine.datastore;
    const result = ok ? { ok, detail: '', lastRevision } : { ok, detail: 'made to' };
    const event: AgentEvent = { kind: 'step_done', step, epoch, ...result };
    this.flights.push({ at: this.now + this.stepTakes, to: name, event });
    if (step === 'check_ready' && ok) {
      const facts: AgentEvent = { kind: 'datastore', facts: machine.datastore };
      this.flights.push({ at: this.now + this.stepTakes + 1, to: name, event: facts });
      this.replicate(name, epoch, machine.datastore.revision);
    }
  }

  /** Every receiver that is up holds the new master's rows at once. */
  private replicate(master: NodeName, epoch: number, revision: number): void {
    for (const [name, { up, config, datastore }] of this.machines) {
      const eligible = config.nodes.find((entry) => entry.name === name)?.eligible === true;
      if (name === master || !up || !eligible || datastore.lineageEpoch >= epoch) continue;
      this.setDatastore(name, replica(epoch, revision));
    }
  }

  private post(from: NodeName, to: NodeName, message: LeaseMessage): void {
    if (!this.machines.has(to)) return;
    if (this.holds(from, to, message)) this.held.push({ from, to, message });
    else if (this.passes(from, to, message)) this.deliver(from, to, message);
  }

  /** Puts a message on its way, as JSON, as the wire would. */
  deliver(from: NodeName, to: NodeName, message: LeaseMessage): void {
    const copy = JSON.parse(JSON.stringify(message)) as LeaseMessage;
    const event: AgentEvent = { kind: 'message', from, message: copy };
    this.flights.push({ at: this.now + latency, to, event });
  }

  /** Lets `duration` milliseconds pass. */
  run(duration: number): void {
    const end = this.now + duration;
    for (;;) {
      const next = this.nextTime();
      if (next === null || next > end) break;
      this.now = Math.max(this.now, next);
      this.tick();
    }
    this.now = end;
  }

  private nextTime(): number | null {
    let next: number | null = null;
    for (const flight of this.flights) if (next === null || flight.at < next) next = flight.at;
    for (const machine of this.machines.values()) {
      for (const at of machine.timers.values()) if (next === null || at < next) next = at;
    }
    return next;
  }

  private tick(): void {
    const due = this.flights.filter((flight) => flight.at <= this.now);
    this.flights = this.flights.filter((flight) => flight.at > this.now);
    for (const { to, event } of due) if (this.machine(to).up) this.give(to, event);
    for (const [name, machine] of this.machines) {
      for (const [timer, at] of [...machine.timers]) {
        if (at > this.now || machine.timers.get(timer) !== at) continue;
        machine.timers.delete(timer);
        this.give(name, { kind: 'timer', timer });
      }
    }
  }

  /** Nodes whose server runs with an open gate. */
  serving(): NodeName[] {
    return [...this.machines].filter(([, m]) => m.server).map(([name]) => name);
  }

  /** The sequence of steps ordered at one node, for comparison. */
  steps(name: NodeName): Step[] {
    return this.trace
      .filter((line) => line.includes(` ${name}   step `))
      .map((line) => line.split(' step ')[1]?.split(' ')[0] as Step);
  }
}

/** What was traced from line `mark` on. */
export const since = ({ trace }: CoreCluster, mark: number): string => trace.slice(mark).join('\n');

/** A planned move, to the best receiver when `to` is null. */
export const move = (to: NodeName | null) =>
  ({ kind: 'command', id: '7', command: { name: 'move', to } }) as const;

/** A cluster of these nodes whose first, `a`, has begun to serve. */
export function servingCluster(nodes: Readonly<Record<NodeName, NodeOptions>>): CoreCluster {
  const cluster = new CoreCluster(nodes);
  cluster.boot(...Object.keys(nodes));
  cluster.run(12_000);
  const servers = cluster.serving().join(', ');
  if (servers !== 'a') throw new Error(`a should serve alone, not: ${servers}`);
  return cluster;
}
