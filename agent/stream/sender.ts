/**
 * The master's side of the revision stream: one session per receiver, woken by the datastore's
 * change, never by a timer in the normal path (DESIGN section 4).
 *
 * Timers here are a sign of life, the digest round, the look at the archive's files, and whole
 * copies of a datastore whose schema is unknown. Does not decide whether this node is master.
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { TimerHandle } from '../../shared/ports/clock.ts';
import type { FrameConnection } from '../../shared/ports/network.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import { type Duration, scaled } from '../../shared/time/duration.ts';
import type {
  ArchiveInfo,
  FlushResult,
  ReceiverProgress,
  StreamFinding,
  StreamLimits,
  StreamSender,
  StreamSenderOptions,
} from './api.ts';
import { BatchReader } from './batch-reader.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { positionOf } from './lineage.ts';
import { digestLiveState } from './live-state.ts';
import { SenderSession } from './sender-session.ts';
import { WholeRounds } from './whole-rounds.ts';

interface Flush {
  readonly to: NodeName;
  readonly revision: number;
  readonly lineageEpoch: number;
  readonly finish: (result: FlushResult) => void;
}

const NO_ROWS = Number.MAX_SAFE_INTEGER;

export const streamSender = (options: StreamSenderOptions): StreamSender => new Sender(options);

class Sender implements StreamSender {
  readonly #options: StreamSenderOptions;
  readonly #limits: StreamLimits;
  readonly #batches: BatchReader;
  readonly #wholeRounds: WholeRounds | null;
  /** The last session of each receiver, also when its connection is gone. */
  readonly #sessions = new Map<NodeName, SenderSession>();
  readonly #flushes = new Set<Flush>();
  readonly #timers = new Map<string, TimerHandle>();
  readonly #stopListening: () => void;
  #archive: ArchiveInfo | null = null;
  #closed = false;
  #readFailed = false;

  constructor(options: StreamSenderOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#batches = new BatchReader(options.source, this.#limits);
    this.#wholeRounds =
      options.wholeCopies === null ? null : new WholeRounds(options.wholeCopies, options.source);
    this.#stopListening = options.source.onChange(() => this.#changed());
    this.#every('beat', scaled(this.#limits.silenceLimit, 1 / 3), () => this.#beat());
    this.#every('digest', this.#limits.digestInterval, () => void this.#compareLiveState());
    this.#every('archive', this.#limits.archiveInterval, () => void this.#lookAtArchive());
    this.#every('whole', this.#limits.wholeCopyInterval, () => void this.#wholeRound());
    void this.#lookAtArchive();
  }

  #every(name: string, period: Duration, action: () => void): void {
    const again = () => {
      this.#timers.set(name, this.#options.clock.in(period, again));
      action();
    };
    this.#timers.set(name, this.#options.clock.in(period, again));
  }

  #find(finding: StreamFinding): void {
    this.#options.onFinding?.(finding);
  }

  /** A datastore that cannot be read ends the sessions; receivers greet again and again. */
  #guard(action: () => void): void {
    if (this.#closed) return;
    try {
      action();
      this.#readFailed = false;
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (!isBatonError(error) || error.kind !== 'operational') throw error;
    if (!this.#readFailed) {
      const text = `No revisions are sent: ${error.message}. Receivers fall behind meanwhile.`;
      this.#find({ code: 'source-failed', text });
    }
    this.#readFailed = true;
    for (const session of this.#sessions.values()) session.close(error.message);
  }

  attach(connection: FrameConnection): void {
    const { clock, epoch, source, archives, onAcknowledged, onHigherEpoch } = this.#options;
    if (this.#closed) return connection.close('this node sends nothing any more');
    // A witness proves its own key on this port too; the datastore is not for it.
    if (!this.#options.mayReceive(connection.peer)) {
      return connection.close('only a node that may become master receives the datastore');
    }
    // A receiver that lost its power dials again before the old connection is known to be dead.
    this.#sessions.get(connection.peer)?.close('the receiver dialled again');
    const session = new SenderSession(connection, {
      clock,
      epoch,
      source,
      archives,
      limits: this.#limits,
      batches: this.#batches,
      guard: (action) => this.#guard(action),
      acknowledged: (from, lag) => {
        onAcknowledged?.(connection.peer, from.position, lag);
        this.#checkFlushes(from);
        this.#offerArchive(from);
      },
      higherEpoch: (higher) => onHigherEpoch?.(higher, connection.peer),
      finding: (finding) => this.#find(finding),
      ready: (from) => (from.phase === 'whole-copies' ? void this.#wholeRound() : undefined),
    });
    this.#sessions.set(connection.peer, session);
  }

  receivers(): readonly ReceiverProgress[] {
    return [...this.#sessions.values()].map((session) => session.progress());
  }

  #changed(): void {
    this.#batches.invalidate();
    this.#wholeRounds?.changed();
    this.#pumpAll(false);
  }

  #beat(): void {
    this.#batches.invalidate();
    this.#guard(() => {
      // A newer kine may have migrated its table under a running agent.
      const unknown = this.#options.source.schemaProblem();
      for (const session of this.#sessions.values()) {
        const whole = session.phase === 'whole-copies';
        if (session.phase !== 'greeting' && whole !== (unknown !== null)) {
          session.close('the schema has changed, greet again');
        }
      }
    });
    this.#pumpAll(true);
  }

  #pumpAll(beat: boolean): void {
    this.#guard(() => {
      for (const session of this.#sessions.values()) if (session.isOpen) session.pump(beat);
    });
  }

  flush(to: NodeName, timeout: Duration): Promise<FlushResult> {
    return new Promise((resolve) => {
      const { clock, source } = this.#options;
      try {
        this.#batches.invalidate();
        const { head } = this.#batches.read(NO_ROWS);
        const { lineageEpoch } = positionOf(source.lineage(), head);
        const timer = clock.in(timeout, () => {
          const at = this.#sessions.get(to)?.position.revision ?? 0;
          const detail = `${to} has acknowledged revision ${at}, not ${head}, within ${timeout} ms`;
          flush.finish({ ok: false, detail });
        });
        const flush: Flush = {
          to,
          revision: head,
          lineageEpoch,
          finish: (result) => {
            timer.cancel();
            this.#flushes.delete(flush);
            resolve(result);
          },
        };
        this.#flushes.add(flush);
      } catch (error) {
        if (!isBatonError(error)) throw error;
        return resolve({ ok: false, detail: error.message });
      }
      const session = this.#sessions.get(to);
      if (session !== undefined) this.#checkFlushes(session);
      // With a sign of life: its acknowledgement shows that the receiver still answers.
      this.#pumpAll(true);
    });
  }

  #checkFlushes(session: SenderSession): void {
    const { revision, lineageEpoch } = session.position;
    for (const flush of [...this.#flushes]) {
      if (flush.to !== session.connection.peer || !session.isOpen) continue;
      if (flush.lineageEpoch !== lineageEpoch || revision < flush.revision) continue;
      flush.finish({ ok: true, revision });
    }
  }

  async #lookAtArchive(): Promise<void> {
    const { archives } = this.#options;
    if (archives === null) return;
    try {
      this.#archive = await archives.current();
    } catch (error) {
      if (!isBatonError(error)) throw error;
      this.#find({ code: 'archive-refused', text: `No archive could be made: ${error.message}` });
      return;
    }
    for (const session of this.#sessions.values()) this.#offerArchive(session);
  }

  #offerArchive(session: SenderSession): void {
    if (this.#archive === null || this.#closed) return;
    session.sendArchive(this.#archive).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      session.close(`the archive could not be read: ${why}`);
    });
  }

  /** Proves that replicas in step equal the datastore; see live-state.ts. */
  async #compareLiveState(): Promise<void> {
    const { source, clock } = this.#options;
    const open = () => [...this.#sessions.values()].filter((session) => session.isOpen);
    if (open().length === 0) return;
    try {
      if (source.schemaProblem() !== null) return;
      const { head } = source.readAfter(NO_ROWS, this.#limits);
      const state = await digestLiveState(source, head, clock, {
        mark: () => source.readAfter(NO_ROWS, this.#limits).effectiveMark,
        abandoned: () => this.#closed,
      });
      if (state === null) return;
      for (const session of open()) session.sendDigest(state);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #wholeRound(): Promise<void> {
    const wanting = [...this.#sessions.values()].filter(
      (session) => session.isOpen && session.phase === 'whole-copies',
    );
    if (this.#closed || wanting.length === 0) return;
    try {
      await this.#wholeRounds?.run(wanting);
    } catch (error) {
      this.#failed(error);
    }
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopListening();
    for (const timer of this.#timers.values()) timer.cancel();
    for (const session of this.#sessions.values()) session.close(reason);
    for (const flush of [...this.#flushes]) flush.finish({ ok: false, detail: reason });
  }
}
