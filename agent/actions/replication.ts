/**
 * Who sends and who receives the revision stream on this node, and what a promotion does with the
 * datastore: the shell's side of agent/stream/api.ts, in the order of use that stands there.
 *
 * Everything that touches the datastore runs in one line, one after the other: a promotion can
 * begin while an old `server/` is still being moved to quarantine.
 *
 * As master it sends from the moment the server was started until the tenure is over, also while a
 * fenced server's last rows are still on their way: they may save a revision, and a receiver that
 * has seen a higher epoch refuses them. Does not decide whom to follow.
 *
 * Nobody waits for what runs in the line by itself, so whatever fails there is told and tried
 * again: an exception would end the agent, and silence would end the stream.
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Clock, TimerHandle } from '../../shared/ports/clock.ts';
import type { FrameConnection } from '../../shared/ports/network.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import { type Duration, milliseconds, seconds } from '../../shared/time/duration.ts';
import type { AgentEvent, DatastoreFacts } from '../core/types.ts';
import type {
  ArchiveStore,
  Datastore,
  FollowTarget,
  ReceiverProgress,
  StreamPosition,
  StreamReceiver,
  StreamSender,
  StreamSenderOptions,
} from '../stream/api.ts';
import type { DatastoreSteps, InstallOrder, StepResult } from './datastore-steps.ts';
import type { Occurrence } from './findings.ts';
import { type StreamTenure, streamTenure, TELL_PERIOD, type Told } from './stream-tenure.ts';
import { type Throttle, throttled } from './throttle.ts';

/** An old `server/` that could not be moved is tried again after this time. */
const RETIRE_AGAIN = seconds(30);
/** A server that is being fenced is gone within this time, or the fence tells of it. */
const SERVER_AGAIN = milliseconds(200);
/** A source that did not open (a full disk, a server that is just starting) is tried again then. */
const SOURCE_AGAIN = seconds(1);
/** A saved replica that found no room in memory is tried again then. */
const LOAD_AGAIN = seconds(10);
/** Until then a small datastore has been copied; cards wear, so one write per change is enough. */
const SAVE_AFTER_CHANGE = seconds(15);

export interface ReplicationOptions {
  readonly clock: Clock;
  readonly datastore: Datastore;
  readonly archives: ArchiveStore;
  readonly receiver: StreamReceiver;
  readonly createSender: (options: Omit<StreamSenderOptions, 'mayReceive'>) => StreamSender;
  readonly post: (event: AgentEvent) => void;
  /** Each acknowledgement as it arrives, for the figures; see adapters/ack-log.ts. */
  readonly acknowledged: (receiver: NodeName, position: StreamPosition) => void;
  readonly finding: (finding: Occurrence) => void;
  /** Whether no server of this node runs: its files may be moved only then. */
  readonly serverGone: () => Promise<boolean>;
  /** How often a receiver writes its replica from RAM to the disk. */
  readonly saveInterval: Duration;
}

export interface Replication extends DatastoreSteps {
  /** The server runs under `epoch`: its revisions are sent from now on. */
  serverUp(epoch: number): void;
  /** Another node is master: ends an own tenure, retires its files, and receives. */
  follow(target: FollowTarget): void;
  /** A receiver that dialled; closed at once when this node sends nothing. */
  attach(connection: FrameConnection): void;
  /** The receiver's position moved. */
  positionMoved(): void;
  /** What this node holds; never throws. */
  facts(): DatastoreFacts;
  receivers(): readonly ReceiverProgress[];
  /** `withSave`: the replica is written to the disk, for this machine may be switched off. */
  close(withSave: boolean): Promise<void>;
}

interface Saver {
  /** Writes the replica once a small one has been copied whole. */
  soon(why: string): void;
  /** Ends the timers; with `save`, after writing it once more. */
  close(save: boolean): Promise<void>;
}

/**
 * Writes the replica from RAM to the disk at an interval, while this node receives. Beside the
 * line of the datastore, not in it: a slow card must not hold up a promotion.
 */
function replicaSaver(options: ReplicationOptions, receives: () => boolean): Saver {
  let timer: TimerHandle | null = null;
  const save = async (why: string): Promise<void> => {
    if (!receives()) return;
    try {
      await options.datastore.saveReplica(why);
    } catch (error) {
      options.finding({ code: 'replica-not-saved', text: `${why}: ${String(error)}` });
    }
  };
  const later = (delay: Duration, why: string): void => {
    timer?.cancel();
    timer = options.clock.in(delay, () => {
      void save(why);
      later(options.saveInterval, 'interval');
    });
  };
  later(options.saveInterval, 'interval');
  return {
    soon: (why) => later(SAVE_AFTER_CHANGE, why),
    async close(withSave) {
      timer?.cancel();
      if (withSave) await save('shutdown');
    },
  };
}

type InLine = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** Each piece of work begins when the one before it has ended, well or not. */
function oneAfterTheOther(): InLine {
  let line: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = line.then(work);
    line = result.catch(() => undefined);
    return result;
  };
}

/** Our own bugs leave; whatever a machine can bring about becomes a finding. */
const teller =
  ({ finding }: ReplicationOptions): Told =>
  (what, error) => {
    if (isBatonError(error) && error.kind === 'invariant') throw error;
    finding({ code: 'source-failed', text: `${what}: ${String(error)}` });
  };

/** The last facts known while a failing disk or a busy server keeps the new ones back. */
function lastKnownFacts(options: ReplicationOptions): () => DatastoreFacts {
  const told = teller(options);
  let known: DatastoreFacts = { lineageEpoch: 0, revision: 0, clean: true, source: 'none' };
  return () => {
    try {
      known = options.datastore.facts();
    } catch (error) {
      told('the datastore cannot be read', error);
    }
    return known;
  };
}

export function createReplication(options: ReplicationOptions): Replication {
  return new StreamReplication(options);
}

/** A server whose revisions are to be sent. */
interface Served {
  readonly epoch: number;
}

class StreamReplication implements Replication {
  readonly #options: ReplicationOptions;
  readonly #told: Told;
  readonly #tellPosition: Throttle;
  readonly #tenure: StreamTenure;
  readonly #saver: Saver;
  readonly #inLine = oneAfterTheOther();
  readonly facts: () => DatastoreFacts;
  #needsArchive = false;
  #wanted: FollowTarget | null = null;
  /** The own server; null once its tenure is over. */
  #serving: Served | null = null;

  constructor(options: ReplicationOptions) {
    this.#options = options;
    this.#told = teller(options);
    this.facts = lastKnownFacts(options);
    this.#tellPosition = throttled(options.clock, TELL_PERIOD, () =>
      options.post({ kind: 'datastore', facts: this.facts() }),
    );
    this.#tenure = streamTenure(options, this.#tellPosition, this.#told);
    this.#saver = replicaSaver(options, () => this.#wanted !== null);
    void options.datastore.checked().then((sound) => {
      // Others may believe that this node holds rows.
      if (!sound) this.#tellPosition();
    });
    // An agent that was restarted because there is room now need not wait.
    this.#later(milliseconds(0), () => this.#loadSaved());
  }

  installDatastore(order: InstallOrder): Promise<StepResult> {
    // Now, not in the line: a master that is followed after this order stays followed.
    this.#wanted = null;
    this.#serving = null;
    return this.#inLine(() => this.#install(order));
  }

  /** Own files of the last tenure, or none at all, need nothing from an archive. */
  installArchive(): Promise<StepResult> {
    const { archives, datastore } = this.#options;
    return this.#inLine(async () =>
      this.#needsArchive
        ? archives.install(datastore.replica)
        : { ok: true, detail: 'own token and configuration' },
    );
  }

  sendLastRevisions(to: NodeName): Promise<StepResult> {
    return this.#inLine(() => this.#tenure.flush(to));
  }

  serverStarting(epoch: number): void {
    this.#tenure.stoppedInOrder(false);
    this.#options.datastore.serverStarting(epoch);
  }

  serverStopped(): void {
    this.#tenure.stoppedInOrder(true);
  }

  serverUp(epoch: number): void {
    const server = { epoch };
    this.#serving = server;
    void this.#inLine(() => this.#send(server));
  }

  follow(target: FollowTarget): void {
    const wanted = this.#wanted;
    if (wanted?.node === target.node && wanted.epoch === target.epoch) return;
    if (wanted?.epoch !== target.epoch) this.#saver.soon('change of master');
    this.#wanted = target;
    this.#serving = null;
    void this.#inLine(() => this.#receive(target));
  }

  attach(connection: FrameConnection): void {
    this.#tenure.attach(connection);
  }

  positionMoved(): void {
    this.#tellPosition();
  }

  receivers(): readonly ReceiverProgress[] {
    return this.#tenure.receivers();
  }

  async close(withSave: boolean): Promise<void> {
    this.#serving = null;
    this.#tellPosition.cancel();
    this.#tenure.cancel();
    this.#options.receiver.close();
    await this.#saver.close(withSave);
    this.#wanted = null;
    await this.#inLine(() => this.#tenure.end('stopping'));
    this.#options.datastore.close();
  }

  /** True when nothing of an own tenure is in the way any more. */
  async #retire(): Promise<boolean> {
    const retired = await this.#options.datastore.retireServer();
    if (retired.kind === 'failed') {
      this.#options.finding({ code: 'server-quarantined', text: retired.detail });
      return false;
    }
    if (retired.kind === 'quarantined') this.#tellPosition();
    return true;
  }

  /** Null once the stream is received, otherwise how long to wait before the next try. */
  async #tryToReceive(target: FollowTarget): Promise<Duration | null> {
    try {
      await this.#tenure.end(`${target.node} is master`);
      // A fence may still be at work; its server's files are not moved under it.
      if (!(await this.#options.serverGone())) return SERVER_AGAIN;
      if (!(await this.#retire())) return RETIRE_AGAIN;
      this.#options.receiver.follow(target);
      return null;
    } catch (error) {
      this.#told(`${target.node} cannot be received from yet`, error);
      return RETIRE_AGAIN;
    }
  }

  async #receive(target: FollowTarget): Promise<void> {
    if (this.#wanted !== target) return;
    const pause = await this.#tryToReceive(target);
    if (pause !== null) this.#later(pause, () => this.#receive(target));
  }

  #loadSavedLater(): void {
    if (this.#options.datastore.savedWaits()) this.#later(LOAD_AGAIN, () => this.#loadSaved());
  }

  /** What a master sends is newer, and a server's own files are. */
  async #loadSaved(): Promise<void> {
    const isAlone = this.#wanted === null && this.#serving === null;
    if (isAlone && this.#options.datastore.savedWaits()) {
      if (await this.#options.datastore.loadSaved()) this.#tellPosition();
    }
    this.#loadSavedLater();
  }

  async #send(server: Served): Promise<void> {
    if (this.#serving !== server) return;
    try {
      await this.#tenure.end('the server was started again');
      this.#tenure.begin(server.epoch);
      this.#tellPosition();
    } catch (error) {
      this.#told('no revisions are sent yet', error);
      this.#later(SOURCE_AGAIN, () => this.#send(server));
    }
  }

  #later(pause: Duration, work: () => Promise<void>): void {
    this.#options.clock.in(pause, () => void this.#inLine(work));
  }

  async #install(order: InstallOrder): Promise<StepResult> {
    // Its epoch is over: what it would put in place would pass for a newer history than it is.
    const wanted = this.#wanted;
    if (wanted !== null) return { ok: false, detail: `${wanted.node} is master by now` };
    const { datastore, receiver } = this.#options;
    receiver.follow(null);
    await this.#tenure.end('a new tenure begins');
    this.#needsArchive = false;
    const { epoch, raise, previousMaster, from } = order;
    const result = await datastore.install({ epoch, raise, previousMaster, from });
    if (!result.ok) return result;
    this.#needsArchive = result.needsArchive;
    return { ok: true, detail: result.detail, firstRevision: result.firstRevision };
  }
}
