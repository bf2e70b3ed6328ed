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
import { streamTenure } from './stream-tenure.ts';
import { throttled } from './throttle.ts';

/** Positions are told to the core no more often than this; renewals carry them every 1.5 s. */
const TELL_PERIOD = milliseconds(500);
/** An old `server/` that could not be moved is tried again after this time. */
const RETIRE_AGAIN = seconds(30);
/** A server that is being fenced is gone within this time, or the fence tells of it. */
const SERVER_AGAIN = milliseconds(200);
/** A source that did not open (a full disk, a server that is just starting) is tried again then. */
const SOURCE_AGAIN = seconds(1);
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
  readonly finding: (finding: { readonly code: string; readonly text: string }) => void;
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
  ({ finding }: ReplicationOptions) =>
  (what: string, error: unknown): void => {
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
  const { clock, datastore, archives, receiver, post } = options;
  let installedFrom: InstallOrder['from'] = 'none';
  let wanted: FollowTarget | null = null;
  /** The own server whose revisions are to be sent; null once its tenure is over. */
  let serving: { readonly epoch: number } | null = null;

  const inLine = oneAfterTheOther();
  const told = teller(options);
  const facts = lastKnownFacts(options);
  const tellPosition = throttled(clock, TELL_PERIOD, () =>
    post({ kind: 'datastore', facts: facts() }),
  );
  const tenure = streamTenure(options, tellPosition, told);
  const saver = replicaSaver(options, () => wanted !== null);

  /** True when nothing of an own tenure is in the way any more. */
  const retire = async (): Promise<boolean> => {
    const retired = await datastore.retireServer();
    if (retired.kind === 'failed') {
      options.finding({ code: 'server-quarantined', text: retired.detail });
      return false;
    }
    if (retired.kind === 'quarantined') tellPosition();
    return true;
  };

  /** Null once the stream is received, otherwise how long to wait before the next try. */
  const tryToReceive = async (target: FollowTarget): Promise<Duration | null> => {
    try {
      await tenure.end(`${target.node} is master`);
      // A fence may still be at work; its server's files are not moved under it.
      if (!(await options.serverGone())) return SERVER_AGAIN;
      if (!(await retire())) return RETIRE_AGAIN;
      receiver.follow(target);
      return null;
    } catch (error) {
      told(`${target.node} cannot be received from yet`, error);
      return RETIRE_AGAIN;
    }
  };

  const receive = async (target: FollowTarget): Promise<void> => {
    if (wanted !== target) return;
    const pause = await tryToReceive(target);
    if (pause !== null) clock.in(pause, () => void inLine(() => receive(target)));
  };

  const send = async (server: { readonly epoch: number }): Promise<void> => {
    if (serving !== server) return;
    try {
      await tenure.end('the server was started again');
      tenure.begin(server.epoch);
      tellPosition();
    } catch (error) {
      told('no revisions are sent yet', error);
      clock.in(SOURCE_AGAIN, () => void inLine(() => send(server)));
    }
  };

  const install = async (order: InstallOrder): Promise<StepResult> => {
    // Its epoch is over: what it would put in place would pass for a newer history than it is.
    if (wanted !== null) return { ok: false, detail: `${wanted.node} is master by now` };
    receiver.follow(null);
    await tenure.end('a new tenure begins');
    installedFrom = order.from;
    const { epoch, raise, previousMaster, from } = order;
    const result = await datastore.install({ epoch, raise, previousMaster, from });
    if (!result.ok) return result;
    return { ok: true, detail: result.detail, firstRevision: result.firstRevision };
  };

  return {
    installDatastore(order) {
      // Now, not in the line: a master that is followed after this order stays followed.
      wanted = null;
      serving = null;
      return inLine(() => install(order));
    },
    // Own files of the last tenure, or none at all, need nothing from an archive.
    installArchive: () =>
      inLine(async () =>
        installedFrom === 'replica'
          ? archives.install(datastore.replica)
          : { ok: true, detail: 'own token and configuration' },
      ),
    sendLastRevisions: (to) => inLine(() => tenure.flush(to)),
    serverStarting(epoch) {
      tenure.stoppedInOrder(false);
      datastore.serverStarting(epoch);
    },
    serverStopped: () => tenure.stoppedInOrder(true),
    serverUp(epoch) {
      const server = { epoch };
      serving = server;
      void inLine(() => send(server));
    },
    follow(target) {
      if (wanted?.node === target.node && wanted.epoch === target.epoch) return;
      if (wanted?.epoch !== target.epoch) saver.soon('change of master');
      wanted = target;
      serving = null;
      void inLine(() => receive(target));
    },
    attach: tenure.attach,
    positionMoved: tellPosition,
    facts,
    receivers: tenure.receivers,
    async close(withSave) {
      serving = null;
      tellPosition.cancel();
      tenure.cancel();
      receiver.close();
      await saver.close(withSave);
      wanted = null;
      await inLine(() => tenure.end('stopping'));
      datastore.close();
    },
  };
}
