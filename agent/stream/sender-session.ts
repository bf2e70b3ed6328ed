/**
 * One receiver as the master sees it, for the life of one connection: greeting, then batches as
 * far as the window allows, acknowledgements, archive, digests.
 *
 * A read transaction is closed before anything is sent, and nothing is read while frames wait
 * (a reader held for 4 s stalled kine's writer for 3.4 s). Never decides who is master: a higher
 * epoch is reported and the stream ends.
 */
import type { Clock } from '../../shared/ports/clock.ts';
import type { Frame, FrameConnection } from '../../shared/ports/network.ts';
import type {
  ArchiveInfo,
  ArchiveStore,
  ReceiverProgress,
  RevisionSource,
  StreamFinding,
  StreamLimits,
  StreamPosition,
  WholeCopies,
} from './api.ts';
import type { BatchReader, EncodedBatch } from './batch-reader.ts';
import { loneRevisions, planGreeting, revisionsBetween } from './greeting.ts';
import { PART_BYTES } from './limits.ts';
import { mustStartOver, positionOf } from './lineage.ts';
import { lineageFromWire, lineageToWire } from './lineage-wire.ts';
import type { LiveState } from './live-state.ts';
import { Outbox } from './outbox.ts';
import { sendArchive, sendWholeCopy } from './send-chunks.ts';
import { parseStreamFrame, type StreamHeader, streamFrame } from './stream-frames.ts';

/** What the sessions of one sender share. */
export interface SessionHost {
  readonly clock: Clock;
  readonly epoch: number;
  readonly limits: StreamLimits;
  readonly source: RevisionSource;
  readonly archives: ArchiveStore | null;
  readonly batches: BatchReader;
  acknowledged(session: SenderSession, lagMilliseconds: number): void;
  higherEpoch(epoch: number, session: SenderSession): void;
  finding(finding: StreamFinding): void;
  /** Runs what reads the datastore; a failure to read ends the sessions. */
  guard(action: () => void): void;
  /** The session greeted, so it can take an archive or a whole copy. */
  ready(session: SenderSession): void;
}

interface Unacknowledged {
  readonly sequence: number;
  readonly bytes: number;
  /** On the monotonic clock, milliseconds. */
  readonly at: number;
}

/** A cut is followed by a second greeting; more than a few is a receiver gone astray. */
const GREETINGS = 4;
const NO_ROWS = Number.MAX_SAFE_INTEGER;

export class SenderSession {
  readonly connection: FrameConnection;
  readonly outbox: Outbox;
  readonly #host: SessionHost;
  #phase: ReceiverProgress['phase'] = 'greeting';
  /** The link or its copy began then, and nothing that can be used is acknowledged yet. */
  #uselessSince: number | null;
  #closed = false;
  #greetings = 0;
  /** A greeting that came before the server had made its datastore. */
  #early: StreamHeader<'hello'> | null = null;
  #cursor = 0;
  #sentMark = -1;
  /** Effective mark when the copy under way began; null until its first read; 0 when resumed. */
  #markAtStart: number | null = 0;
  #sequence = 0;
  #unacknowledged: Unacknowledged[] = [];
  #windowUsed = 0;
  #position: StreamPosition = { lineageEpoch: 0, revision: 0 };
  #roundTrip = 0;
  #archiveId: string | null = null;
  #archiveTried: string | null = null;
  #digest: ReceiverProgress['digest'] = 'unknown';

  constructor(connection: FrameConnection, host: SessionHost) {
    this.connection = connection;
    this.#host = host;
    this.#uselessSince = host.clock.monotonicMilliseconds();
    this.outbox = new Outbox(connection, () => host.guard(() => this.pump()));
    connection.onClose(() => this.#ended());
    connection.onFrame((frame) => host.guard(() => this.#receive(frame)));
  }

  get isOpen(): boolean {
    return !this.#closed;
  }

  get phase(): ReceiverProgress['phase'] {
    return this.#phase;
  }

  get position(): StreamPosition {
    return this.#position;
  }

  /** Shapes as in `ReceiverProgress`. */
  progress(): ReceiverProgress {
    const { clock, batches, source } = this.#host;
    const now = clock.monotonicMilliseconds();
    const oldest = this.#unacknowledged[0];
    const age = oldest === undefined ? null : now - oldest.at;
    const since = this.#uselessSince;
    return {
      node: this.connection.peer,
      connected: !this.#closed,
      phase: this.#phase,
      position: this.#position,
      lagRevisions: revisionsBetween(source.lineage(), this.#position.revision, batches.head),
      lagMilliseconds: since === null ? (age ?? this.#roundTrip) : now - since,
      digest: this.#digest,
    };
  }

  close(why: string): void {
    if (this.#closed) return;
    this.#ended();
    this.connection.close(why);
  }

  #ended(): void {
    this.#closed = true;
    this.outbox.close();
    this.#unacknowledged = [];
  }

  /** Tells the receiver why it is not served, then closes. */
  #refuse(why: string): void {
    this.outbox.push(streamFrame('refuse', { epoch: this.#host.epoch, why }));
    this.close(why);
  }

  #receive(frame: Frame): void {
    if (this.#closed) return;
    const parsed = parseStreamFrame(frame);
    switch (parsed?.type) {
      case 'hello':
        return this.#greet(parsed.header);
      case 'ack':
        return this.#acknowledged(parsed.header);
      case 'digest-answer':
        return this.#digestAnswered(parsed.header.verdict);
      case 'archive-answer':
        return this.#archiveAnswered(parsed.header);
      case 'refuse':
        if (parsed.header.epoch > this.#host.epoch) {
          this.#host.higherEpoch(parsed.header.epoch, this);
        }
        return this.close(`refused by the receiver: ${parsed.header.why}`);
      default:
        return this.#refuse(`a frame "${frame.type}" that a receiver does not send`);
    }
  }

  #greet(hello: StreamHeader<'hello'>): void {
    const host = this.#host;
    if (hello.epoch > host.epoch) {
      host.higherEpoch(hello.epoch, this);
      return this.#refuse(`epoch ${host.epoch} is over, you know of ${hello.epoch}`);
    }
    this.#greetings++;
    if (this.#greetings > GREETINGS) return this.#refuse('too many greetings');
    this.#early = hello;
    this.#answer(hello);
  }

  #answer(hello: StreamHeader<'hello'>): void {
    const { source, batches } = this.#host;
    const unknown = source.schemaProblem();
    // In this order: a row that is gone by now must be covered by a mark that is read later.
    const digestAtCursor = source.rowDigest(hello.cursor);
    batches.invalidate();
    const { head, effectiveMark: mark } = batches.read(NO_ROWS);
    if (head === 0 && unknown === null) return;
    this.#early = null;
    this.#archiveId = hello.archive;
    const lineage = source.lineage();
    const verdict = (kind: 'resume' | 'cut' | 'copy' | 'whole', more: object, why: string) =>
      this.outbox.push(
        streamFrame('lineage', {
          epoch: this.#host.epoch,
          head,
          mark,
          lineage: lineageToWire(lineage),
          verdict: kind,
          keep: 0,
          save_from: null,
          ...more,
          why: why.slice(0, 1000),
        }),
      );
    if (unknown !== null) {
      verdict('whole', {}, unknown);
      this.#tellUnknown(unknown);
      this.#phase = 'whole-copies';
      return this.#host.ready(this);
    }
    const master = { lineage, head, mark, digestAtCursor };
    const plan = planGreeting(master, hello);
    this.#tellLone(loneRevisions(master, hello), hello);
    if (plan.kind === 'cut') return verdict('cut', { keep: plan.keep }, 'histories part here');
    const theirs = lineageFromWire(hello.lineage);
    this.#position = positionOf(theirs, hello.cursor);
    if (plan.kind === 'copy') {
      verdict('copy', { save_from: plan.saveFrom }, plan.why);
      this.#begin(0, null);
    } else {
      verdict('resume', {}, 'same history');
      this.#begin(hello.cursor, 0);
    }
    this.pump(true);
    this.#host.ready(this);
  }

  #tellLone(count: number, hello: StreamHeader<'hello'>): void {
    if (count === 0) return;
    const { peer } = this.connection;
    this.#host.finding({
      code: 'lost-revisions',
      text:
        `${peer} holds ${count} revisions up to ${hello.cursor} that this master did not take ` +
        `over. They are lost to the cluster; ${peer} saves them to a file before it goes on.`,
      detail: { receiver: peer, revisions: count, last_revision: hello.cursor },
    });
  }

  #tellUnknown(problem: string): void {
    this.#host.finding({
      code: 'schema-unknown',
      text:
        `Revisions cannot be streamed: ${problem}. ${this.connection.peer} gets whole copies at ` +
        'an interval, and a failover loses what was written since the last. Install a newer baton.',
      detail: { receiver: this.connection.peer },
    });
  }

  #begin(cursor: number, markAtStart: number | null): void {
    this.#phase = markAtStart === null ? 'copying' : 'streaming';
    if (markAtStart === null) this.#uselessSince ??= this.#host.clock.monotonicMilliseconds();
    this.#cursor = cursor;
    this.#markAtStart = markAtStart;
    this.#sentMark = -1;
    this.#unacknowledged = [];
    this.#windowUsed = 0;
  }

  /** Starts the copy over: what the receiver holds can no longer be continued. */
  startOver(why: string): void {
    this.outbox.push(streamFrame('reset', { epoch: this.#host.epoch, why, save_from: null }));
    this.#begin(0, null);
  }

  /** Sends what is new; with `beat` a sign of life when nothing is. */
  pump(beat = false): void {
    if (this.#closed) return;
    if (this.#early !== null) return this.#answer(this.#early);
    if (this.#phase !== 'copying' && this.#phase !== 'streaming') return;
    while (this.outbox.isEmpty && this.#windowUsed < this.#host.limits.windowBytes) {
      const batch = this.#host.batches.read(this.#cursor);
      // No datastore at this moment (a new life of the server), or not ours any more.
      if (batch.head === 0) return;
      // Unless compaction has taken the newest rows, which kine itself never does.
      const back = batch.head < this.#cursor && batch.effectiveMark < this.#cursor;
      if (back) return this.close('the datastore went back, greet again');
      this.#markAtStart ??= batch.effectiveMark;
      if (mustStartOver(batch.effectiveMark, this.#cursor, this.#markAtStart)) {
        this.startOver(`compaction has reached ${batch.effectiveMark} before the receiver did`);
        continue;
      }
      const copied = this.#phase === 'copying' && (batch.last ?? this.#cursor) >= batch.head;
      if (batch.last !== null || copied) this.#sendBatch(batch, copied);
      else if (beat || batch.mark !== this.#sentMark) this.#sendMark(batch);
      if (batch.last === null) return;
    }
  }

  #sendBatch(batch: EncodedBatch, complete: boolean): void {
    const sequence = this.#expect(batch.body.length);
    const parts = Math.max(1, Math.ceil(batch.body.length / PART_BYTES));
    for (let part = 0; part < parts; part++) {
      const header = { ...this.#facts(batch), sequence, part, parts, complete };
      const body = batch.body.subarray(part * PART_BYTES, (part + 1) * PART_BYTES);
      this.outbox.push(streamFrame('batch', header, body));
    }
    this.#cursor = batch.last ?? this.#cursor;
    this.#sentMark = batch.mark;
    if (complete) this.#phase = 'streaming';
  }

  #sendMark(batch: EncodedBatch): void {
    const sequence = this.#expect(0);
    this.outbox.push(streamFrame('mark', { ...this.#facts(batch), sequence }));
    this.#sentMark = batch.mark;
  }

  #facts(batch: EncodedBatch) {
    const { head, mark, markRow } = batch;
    return { epoch: this.#host.epoch, head, mark, mark_row: markRow };
  }

  /** Registers what the receiver must acknowledge next. */
  #expect(bytes: number): number {
    const at = this.#host.clock.monotonicMilliseconds();
    this.#sequence++;
    this.#unacknowledged.push({ sequence: this.#sequence, bytes, at });
    this.#windowUsed += bytes;
    return this.#sequence;
  }

  #acknowledged(ack: StreamHeader<'ack'>): void {
    let answered: Unacknowledged | undefined;
    while ((this.#unacknowledged[0]?.sequence ?? Number.POSITIVE_INFINITY) <= ack.sequence) {
      answered = this.#unacknowledged.shift();
      this.#windowUsed -= answered?.bytes ?? 0;
    }
    // Of a stream that was started over meanwhile, or made up: nothing to conclude from.
    if (answered === undefined) return;
    this.#roundTrip = this.#host.clock.monotonicMilliseconds() - answered.at;
    this.#position = { lineageEpoch: ack.lineage_epoch, revision: ack.revision };
    if (this.#phase !== 'copying' && ack.revision > 0) this.#uselessSince = null;
    this.#host.acknowledged(this, this.#roundTrip);
    this.pump();
  }

  /** Sends the digest of the live state, unless this receiver is not in step. */
  sendDigest(state: LiveState): void {
    if (this.#phase !== 'streaming' || this.#closed) return;
    const { revision, digest, names } = state;
    this.outbox.push(streamFrame('digest', { epoch: this.#host.epoch, revision, digest, names }));
  }

  #digestAnswered(verdict: ReceiverProgress['digest']): void {
    this.#digest = verdict;
    if (verdict !== 'different') return;
    const { peer } = this.connection;
    this.#host.finding({
      code: 'replica-differs',
      text:
        `The replica on ${peer} differs from this datastore although it holds the same ` +
        'revisions. It is copied anew; should this come back, look at that machine’s memory.',
      detail: { receiver: peer },
    });
    this.startOver('the live state differs');
    this.pump();
  }

  /** Sends the archive unless the receiver has it, or has refused this very one. */
  async sendArchive(info: ArchiveInfo): Promise<void> {
    const { archives, epoch } = this.#host;
    const known = info.id === this.#archiveId || info.id === this.#archiveTried;
    // A copy comes first: the token is checked against its rows.
    const early = this.#phase === 'greeting' || this.#phase === 'copying';
    if (archives === null || known || early || this.#closed) return;
    this.#archiveTried = info.id;
    const sent = await sendArchive(this, archives, info, epoch);
    if (!sent) this.#archiveTried = null;
  }

  /** Sends the whole copy that was made last; the receiver acknowledges it as one. */
  async sendWhole(
    copies: WholeCopies,
    copy: { readonly bytes: number; readonly revision: number },
  ): Promise<void> {
    if (this.#phase !== 'whole-copies' || this.#closed) return;
    const sequence = this.#expect(0);
    await sendWholeCopy(this, copies, { ...copy, sequence }, this.#host.epoch);
  }

  #archiveAnswered(answer: StreamHeader<'archive-answer'>): void {
    const { peer } = this.connection;
    if (answer.ok) this.#archiveId = answer.id;
    else {
      this.#host.finding({
        code: 'archive-refused',
        text: `${peer} did not take the archive, so it cannot take over: ${answer.detail}`,
        detail: { receiver: peer },
      });
    }
  }
}
