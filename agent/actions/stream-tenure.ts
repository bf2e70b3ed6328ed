/**
 * One tenure of this node as sender of the revision stream: from the start of its server until
 * another node is followed, or the next server is started.
 *
 * Only sends: what is in the datastore and who may be master is decided elsewhere. Acknowledgements
 * come many a second; the core hears of the newest of each receiver twice a second.
 */
import type { Clock } from '../../shared/ports/clock.ts';
import type { FrameConnection } from '../../shared/ports/network.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import { milliseconds, seconds } from '../../shared/time/duration.ts';
import type { AgentEvent } from '../core/types.ts';
import type { ReceiverProgress, StreamPosition, StreamSender } from '../stream/api.ts';
import type { StepResult } from './datastore-steps.ts';
import type { ReplicationOptions } from './replication.ts';
import { throttled } from './throttle.ts';

/** Positions are told to the core no more often than this; renewals carry them every 1.5 s. */
export const TELL_PERIOD = milliseconds(500);
/** The server is stopped and the last rows are few; a receiver that needs longer is not there. */
export const FLUSH_LIMIT = seconds(10);

interface Gathered {
  note(node: NodeName, position: StreamPosition): void;
  cancel(): void;
}

/** Acknowledgements come many a second; the core hears of the newest of each receiver. */
function gathered(clock: Clock, post: (event: AgentEvent) => void): Gathered {
  const moved = new Map<NodeName, StreamPosition>();
  const tell = throttled(clock, TELL_PERIOD, () => {
    for (const [node, { lineageEpoch, revision }] of moved) {
      post({ kind: 'acknowledged', receiver: node, lineageEpoch, revision });
    }
    moved.clear();
  });
  return {
    note(node, position) {
      moved.set(node, position);
      tell();
    },
    cancel: tell.cancel,
  };
}

export interface StreamTenure {
  /** Opens the datastore of the server that runs and sends from it. Throws when it cannot. */
  begin(epoch: number): void;
  /** Ends what `begin` began, if anything; after an orderly stop the files are put on the disk. */
  end(why: string): Promise<void>;
  /** Whether the server that is about to end, or has ended, was stopped in order. */
  stoppedInOrder(yes: boolean): void;
  /** Resolves when `to` has acknowledged the present head. */
  flush(to: NodeName): Promise<StepResult>;
  attach(connection: FrameConnection): void;
  receivers(): readonly ReceiverProgress[];
  /** No acknowledgement is told any more. */
  cancel(): void;
}

/** Tells what could not be done, and why; throws our own bugs on. */
export type Told = (what: string, error: unknown) => void;

/** `moved` is called after each change of the datastore; `told` with what could not be done. */
export function streamTenure(
  options: ReplicationOptions,
  moved: () => void,
  told: Told,
): StreamTenure {
  return new SenderTenure(options, moved, told);
}

class SenderTenure implements StreamTenure {
  readonly #options: ReplicationOptions;
  readonly #moved: () => void;
  readonly #told: Told;
  readonly #acknowledgements: Gathered;
  #sender: StreamSender | null = null;
  #stopListening: () => void = () => {};
  #inOrder = false;

  constructor(options: ReplicationOptions, moved: () => void, told: Told) {
    this.#options = options;
    this.#moved = moved;
    this.#told = told;
    this.#acknowledgements = gathered(options.clock, options.post);
  }

  begin(epoch: number): void {
    const { clock, datastore, archives, finding } = this.#options;
    const source = datastore.startSource();
    this.#stopListening = source.onChange(this.#moved);
    this.#sender = this.#options.createSender({
      clock,
      epoch,
      source,
      archives,
      wholeCopies: datastore.wholeCopies,
      onAcknowledged: (node, position) => {
        this.#options.acknowledged(node, position);
        this.#acknowledgements.note(node, position);
      },
      // Only that receiver's stream ends. Whether this master is deposed is the lease's word: a
      // node that saw a failed ballot's epoch must not stop the copies of all the others.
      onHigherEpoch: (higher, node) =>
        finding({
          code: 'stream-refused',
          text: `${node} knows of epoch ${higher} and refuses the revisions of epoch ${epoch}`,
          detail: { receiver: node },
        }),
      onFinding: finding,
    });
  }

  async end(why: string): Promise<void> {
    if (this.#sender === null) return;
    const { datastore } = this.#options;
    this.#stopListening();
    this.#sender.close(why);
    this.#sender = null;
    datastore.stopSource();
    const putAway = this.#inOrder;
    this.#inOrder = false;
    if (!putAway) return;
    try {
      await datastore.serverStopped();
    } catch (error) {
      // It counts as running on, so the next boot starts on it with the raise.
      this.#told('the stopped server’s datastore is perhaps not on the disk', error);
    }
  }

  stoppedInOrder(yes: boolean): void {
    this.#inOrder = yes;
  }

  async flush(to: NodeName): Promise<StepResult> {
    if (this.#sender === null) return { ok: false, detail: 'nothing is being sent' };
    const result = await this.#sender.flush(to, FLUSH_LIMIT);
    if (!result.ok) return result;
    const { revision } = result;
    const detail = `${to} holds everything up to revision ${revision}`;
    return { ok: true, detail, lastRevision: revision };
  }

  attach(connection: FrameConnection): void {
    if (this.#sender === null) connection.close('this node is not master');
    else this.#sender.attach(connection);
  }

  receivers(): readonly ReceiverProgress[] {
    try {
      return this.#sender?.receivers() ?? [];
    } catch (error) {
      this.#told('the receivers’ lag cannot be told', error);
      return [];
    }
  }

  cancel(): void {
    this.#acknowledgements.cancel();
  }
}
