/**
 * One node's agent, put together and running.
 *
 * Order of the start: machine (guards first), stream, carriers, control socket, then the event
 * `started`; what comes from the network before that is dropped by the core. Order of the end:
 * the core gives role and vote away, then everything is closed from the outside in.
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { TimerHandle } from '../../shared/ports/clock.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import { type Instant, minutes } from '../../shared/time/duration.ts';
import { type Control, createControl } from '../actions/control.ts';
import { executorTable } from '../actions/executors.ts';
import type { Finding } from '../actions/findings.ts';
import { createFollow } from '../actions/follow.ts';
import { promotionTimeline } from '../actions/promotion-timeline.ts';
import type { Publisher } from '../actions/publisher.ts';
import { createRecordStore, type RecordStore } from '../actions/record-store.ts';
import { listenControl } from '../adapters/control-socket.ts';
import { type CoreState, decide, initialState, view } from '../core/mastership.ts';
import type { AgentEvent, CoreView, StartFacts } from '../core/types.ts';
import { createLoop, type Loop, type Observer } from '../loop.ts';
import { linkNetwork, openCarriers } from './carriers.ts';
import { departure, LEFT, leave } from './ending.ts';
import { hearing } from './hearing.ts';
import { assembleMachine, type Machine } from './machine.ts';
import type { Parts } from './parts.ts';
import { nodeNamed, type Place } from './place.ts';
import { openReporting } from './reporting.ts';
import { assembleStream, type StreamParts } from './stream.ts';

export interface Agent {
  /** Resolves when everything is closed; a `shutdown` gives role and vote away first. */
  stop(why: 'restart' | 'shutdown'): Promise<void>;
}

/** What main.ts holds open for the parts that are made here. */
export interface Sockets {
  readonly connect: (post: (event: AgentEvent) => void) => void;
  readonly addFindings: (part: () => readonly Finding[]) => void;
}

/** Present where systemd-timesyncd has heard a time server since the boot. */
const SYNCHRONISED = '/run/systemd/timesync/synchronized';
const STARTING = { ok: false, text: 'the agent is starting; ask again in a moment' };
/** A time server is often heard only after the start; certificates need no more precision. */
const WALL_PERIOD = minutes(1);
/** Bytes of the start nonce (LEASE.md L1). */
const NONCE_BYTES = 8;
/** Errors: `port-in-use` and whatever else keeps the machine's files and sockets from working. */
export async function runAgent(place: Place, sockets: Sockets): Promise<Agent> {
  const { files, clock, config, settings } = place;
  const { paths } = settings;
  for (const path of [paths.run_dir, paths.state_dir]) files.makeDirectory(path);
  let loop: Loop<CoreState> | null = null;
  const core = {
    initial: initialState(config),
    decide: (state: CoreState, event: AgentEvent, now: Instant) =>
      decide(state, event, now, config),
  };
  const seen = (at = loop?.now() ?? clock.now()): CoreView =>
    view(loop?.state() ?? core.initial, at, config);
  // First of all: it refuses a second agent before that one touches the datastore.
  let control: Control | null = null;
  const socket = await listenControl(
    `${paths.run_dir}/control.sock`,
    async (line) => control?.handle(line) ?? STARTING,
  );
  const parts = await assemble(place, sockets, seen);
  const records = createRecordStore(files, {
    disk: `${paths.state_dir}/lease.json`,
    run: `${paths.run_dir}/lease.json`,
  });
  const departing = departure();
  const { publisher, status } = openReporting(parts);
  const answers = createControl({ clock, status, post: place.post });
  control = answers;
  const executors = executorTable({
    ...parts.machine,
    records,
    follow: parts.follow,
    send: parts.carriers.send,
    reply: (id, answer) => {
      if (id === LEFT) departing.left(answer.text);
      else answers.reply(id, answer);
    },
  });
  loop = createLoop(core, executors, clock, observer(parts, publisher));
  sockets.connect(loop.post);
  await start(parts, records, loop);
  const wall = watchWall(place);
  return {
    async stop(why) {
      await leave(parts, departing, why);
      loop.stop();
      wall.cancel();
      parts.follow.close();
      publisher.close();
      await socket.close();
      await parts.stream.replication.close(why === 'shutdown');
      await parts.carriers.close();
      parts.machine.close();
    },
  };
}

async function assemble(place: Place, sockets: Sockets, seen: () => CoreView): Promise<Parts> {
  const { files, clock, findings, settings } = place;
  const network = linkNetwork(place);
  const timeline = promotionTimeline();
  let machine: Machine | null = null;
  const stream = assembleStream(place, {
    network,
    highestEpoch: () => seen().epoch,
    // Not waited for: this is asked in the line in which a promotion would wait as well.
    serverGone: async () => {
      if (machine === null || machine.fence.underWay()) return false;
      return !(await machine.units.running('server'));
    },
  });
  machine = await assembleMachine(place, {
    datastore: stream.replication,
    serverUp: (epoch) => stream.replication.serverUp(epoch),
    told: (step, { ok, detail }) => {
      timeline.step(step, ok, clock.now());
      place.log.info({ step, ok }, detail);
    },
  });
  sockets.addFindings(machine.findings);
  sockets.addFindings(stream.findings);
  const carriers = await openCarriers(place, network, {
    onBulk: (connection) => stream.replication.attach(connection),
    onMessage: hearing(place.self.name, stream.replication, place.post),
  });
  const follow = createFollow({
    files,
    clock,
    findings,
    hostsFile: settings.paths.hosts_file,
    changed: ({ master, epoch }) => receiveFrom(place, stream, master, epoch),
  });
  return { place, machine, stream, carriers, follow, timeline, view: seen };
}

/** Another master: its stream is received from now on, when this node may ever be master itself. */
function receiveFrom(place: Place, stream: StreamParts, master: NodeName, epoch: number): void {
  const node = nodeNamed(place, master);
  if (node === undefined || master === place.self.name || !place.self.eligible) return;
  stream.replication.follow({ node: master, host: node.address, port: node.link_port, epoch });
}

/** The event `started`; the loop feeds it again when it could not be written. */
async function start(parts: Parts, records: RecordStore, loop: Loop<CoreState>): Promise<void> {
  const { place, machine, stream } = parts;
  const { random, findings, bootId } = place;
  const stored = records.load();
  for (const sentence of stored.damaged) findings.note('message-invalid', sentence, 'records');
  const facts: StartFacts = {
    bootId,
    nonce: random.hex(NONCE_BYTES),
    run: stored.run,
    disk: stored.disk,
    datastore: stream.replication.facts(),
    serverRunning: await machine.units.running('server'),
    wall: readWall(place),
  };
  machine.units.onServerExit((detail) => serverExited(parts, loop, detail));
  loop.post({ kind: 'started', facts });
}

const readWall = ({ clock, files }: Place): StartFacts['wall'] => ({
  time: clock.wall(),
  synchronised: files.exists(SYNCHRONISED),
});

/** Reads the wall clock now and then; harmless once the loop has stopped. */
function watchWall(place: Place): TimerHandle {
  let timer: TimerHandle;
  const look = (): void => {
    place.post({ kind: 'wall', wall: readWall(place) });
    timer = place.clock.in(WALL_PERIOD, look);
  };
  timer = place.clock.in(WALL_PERIOD, look);
  return { cancel: () => timer.cancel() };
}

function serverExited({ place, machine }: Parts, loop: Loop<CoreState>, detail: string): void {
  place.log.warn({}, detail);
  if (machine.steps.serverExited(detail)) return;
  const { held } = loop.state().run;
  place.post({ kind: 'server_exited', epoch: held?.epoch ?? 0, detail });
}

/** Log, timeline and report learn of each turn; nothing here may throw or decide. */
function observer(parts: Parts, publisher: Publisher): Observer<CoreState> {
  const { place, timeline } = parts;
  let before = '';
  return {
    turned(state, event, reason, now) {
      const seen = parts.view(now);
      const { role, phase, epoch, master } = seen;
      // A restart beside its running server goes on sending.
      const besideServer =
        event.kind === 'started' && event.facts.serverRunning && !state.serverEnded;
      if (besideServer && role === 'master') parts.stream.replication.serverUp(epoch);
      timeline.saw(seen, now);
      const shown = `${role} ${phase} ${epoch} ${master}`;
      if (reason !== '') place.log.info({ role, phase, epoch, event: event.kind }, reason);
      if (reason !== '' || shown !== before) publisher.soon();
      before = shown;
    },
    problem(effect, error) {
      const code = isBatonError(error) ? error.code : 'invariant-broken';
      const text = error instanceof Error ? error.message : String(error);
      place.findings.note(code, `${effect} failed: ${text}`, effect);
    },
  };
}
