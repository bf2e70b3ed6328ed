/**
 * One connection to the master as the receiver sees it: greets, applies, acknowledges.
 *
 * Every frame is checked before it touches the replica; one that breaks a rule (a lower epoch, a
 * number out of order, rows that do not decode) ends the connection, and the next greeting finds
 * out what is right. Rows are acknowledged only once they are in the replica.
 */
import type { Clock } from '../../shared/ports/clock.ts';
import type { Frame, FrameConnection } from '../../shared/ports/network.ts';
import type {
  ArchiveStore,
  CutOff,
  Lineage,
  ReceiverState,
  Replica,
  StreamFinding,
  StreamPosition,
} from './api.ts';
import { BatchParts } from './batch-parts.ts';
import { lineageFromWire, lineageToWire } from './lineage-wire.ts';
import { digestLiveState } from './live-state.ts';
import { Outbox } from './outbox.ts';
import { ArchiveIntake, WholeIntake } from './receive-chunks.ts';
import { decodeRows } from './rows.ts';
import {
  parseStreamFrame,
  type StreamFrame,
  type StreamHeader,
  streamFrame,
} from './stream-frames.ts';

export interface ReceiverHost {
  readonly clock: Clock;
  readonly replica: Replica;
  readonly archives: ArchiveStore | null;
  readonly highestEpoch: () => number;
  moved(position: StreamPosition): void;
  finding(finding: StreamFinding): void;
  /** Runs what writes the replica; a full or damaged one ends the session. */
  guard(action: () => void): void;
  /** The master has answered the greeting: the path works. */
  greeted(): void;
  ended(why: string): void;
}

export class ReceiverSession {
  readonly #connection: FrameConnection;
  readonly #host: ReceiverHost;
  readonly #outbox: Outbox;
  readonly #parts = new BatchParts();
  readonly #archive: ArchiveIntake | null;
  readonly #whole: WholeIntake;
  #phase: ReceiverState['phase'] = 'greeting';
  #lineage: Lineage = [];
  #closed = false;
  /** Of the last batch or mark; a gap means that something was lost. */
  #sequence = 0;
  #heardAt: number;

  constructor(connection: FrameConnection, host: ReceiverHost) {
    this.#connection = connection;
    this.#host = host;
    this.#outbox = new Outbox(connection, () => {});
    this.#archive = host.archives === null ? null : new ArchiveIntake(host.archives);
    this.#whole = new WholeIntake(host.replica);
    this.#heardAt = host.clock.monotonicMilliseconds();
    connection.onClose((why) => this.#end(why));
    connection.onFrame((frame) => host.guard(() => this.#receive(frame)));
    this.#hello();
  }

  get phase(): ReceiverState['phase'] {
    return this.#phase;
  }

  /** Milliseconds since the master was last heard. */
  silence(): number {
    return this.#host.clock.monotonicMilliseconds() - this.#heardAt;
  }

  close(why: string): void {
    if (this.#closed) return;
    this.#end(why);
    this.#connection.close(why);
  }

  #end(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outbox.close();
    this.#host.ended(why);
  }

  #refuse(why: string): void {
    const epoch = this.#host.highestEpoch();
    this.#outbox.push(streamFrame('refuse', { epoch, why }));
    this.close(why);
  }

  #hello(): void {
    const { replica, archives } = this.#host;
    const { revision, digest } = replica.cursor();
    this.#phase = 'greeting';
    this.#outbox.push(
      streamFrame('hello', {
        version: 1,
        epoch: this.#host.highestEpoch(),
        lineage: lineageToWire(replica.lineage()),
        cursor: revision,
        digest,
        mark: replica.mark(),
        archive: archives?.heldId() ?? null,
      }),
    );
  }

  #receive(frame: Frame): void {
    if (this.#closed) return;
    this.#heardAt = this.#host.clock.monotonicMilliseconds();
    const parsed = parseStreamFrame(frame);
    if (parsed === null) return this.#refuse(`a frame "${frame.type}" that does not validate`);
    const known = this.#host.highestEpoch();
    if ('epoch' in parsed.header && parsed.type !== 'refuse' && parsed.header.epoch < known) {
      return this.#refuse(`epoch ${parsed.header.epoch} is over, ${known} is known here`);
    }
    const problem = this.#handle(parsed);
    if (problem !== null) this.#refuse(problem);
  }

  /** Null, or why the frame breaks a rule. */
  #handle(frame: StreamFrame): string | null {
    switch (frame.type) {
      case 'lineage':
        return this.#answered(frame.header);
      case 'reset':
        this.#copyAnew(frame.header.save_from, frame.header.why);
        return null;
      case 'batch':
        return this.#batch(frame.header, frame.body);
      case 'mark':
        return this.#mark(frame.header);
      case 'digest':
        this.#compare(frame.header);
        return null;
      case 'archive':
        this.#archive?.begin(frame.header, frame.body);
        return this.#maybeArchived();
      case 'archive-chunk':
        return this.#archive?.append(frame.header, frame.body) ?? this.#maybeArchived();
      case 'whole-copy':
        if (!this.#follows(frame.header.sequence)) return 'a whole copy after a gap';
        this.#whole.begin(frame.header);
        return null;
      case 'whole-chunk':
        return this.#wholeChunk(frame.header, frame.body);
      case 'refuse':
        this.close(`the master refused: ${frame.header.why}`);
        return null;
      default:
        return `a frame "${frame.type}" that a master does not send`;
    }
  }

  #answered(answer: StreamHeader<'lineage'>): string | null {
    if (this.#phase !== 'greeting') return 'an answer without a greeting';
    const { replica } = this.#host;
    this.#host.greeted();
    this.#lineage = lineageFromWire(answer.lineage);
    switch (answer.verdict) {
      case 'resume':
        replica.abandonCopy();
        replica.setLineage(this.#lineage);
        this.#phase = 'streaming';
        return null;
      case 'cut':
        if (answer.keep >= replica.cursor().revision) return 'a cut that would cut nothing';
        this.#tellLone(replica.cutBack(answer.keep, answer.why));
        this.#host.moved(replica.position());
        this.#hello();
        return null;
      case 'copy':
        this.#copyAnew(answer.save_from, answer.why);
        return null;
      case 'whole':
        this.#phase = 'whole-copies';
        this.#host.finding({
          code: 'schema-unknown',
          text:
            `The master’s datastore has a schema that baton does not know (${answer.why}). ` +
            'Whole copies are fetched at an interval instead of every revision: a failover now ' +
            'loses what was written since the last copy. Install a newer baton.',
        });
        return null;
    }
  }

  #copyAnew(saveFrom: number | null, why: string): void {
    this.#parts.clear();
    this.#tellLone(this.#host.replica.beginCopy(this.#lineage, saveFrom, why));
    this.#phase = 'copying';
  }

  #tellLone(saved: CutOff | null): void {
    if (saved === null) return;
    const { rows, firstRevision, lastRevision, file, objects } = saved;
    this.#host.finding({
      code: 'lone-revisions',
      text:
        `${rows} revisions (${firstRevision} to ${lastRevision}) were only on this node and are ` +
        `not part of the cluster’s history. They are saved in ${file} and never merged by ` +
        `themselves. ${namesOf(saved)}`,
      detail: { file, rows, firstRevision, lastRevision, objects },
    });
  }

  #batch(header: StreamHeader<'batch'>, body: Uint8Array): string | null {
    if (this.#phase !== 'copying' && this.#phase !== 'streaming') return 'rows without a greeting';
    const joined = this.#parts.add(header, body);
    if (joined === 'broken') return 'parts of a batch out of order';
    if (joined === 'incomplete') return null;
    if (!this.#follows(header.sequence)) return `batch ${header.sequence} after a gap`;
    const rows = decodeRows(joined);
    if (rows === null) return 'rows that do not decode';
    const { replica } = this.#host;
    const cursor = replica.copyCursor() ?? replica.cursor().revision;
    const first = rows[0]?.id ?? cursor + 1;
    if (first <= cursor) return `row ${first} after row ${cursor}`;
    // First what is gone at the master: an object made again after a compaction has the very key
    // (name, previous revision 0) of its first row, and kine's index allows it only once.
    replica.compact(header.mark, header.mark_row);
    replica.apply(rows);
    replica.compact(header.mark, header.mark_row);
    if (header.complete) {
      if (this.#phase !== 'copying') return 'the end of a copy that was not begun';
      replica.endCopy();
      this.#phase = 'streaming';
    }
    this.#acknowledge(header.sequence);
    return null;
  }

  #mark(header: StreamHeader<'mark'>): string | null {
    if (this.#phase !== 'copying' && this.#phase !== 'streaming') return 'a mark before an answer';
    if (!this.#follows(header.sequence)) return `mark ${header.sequence} after a gap`;
    this.#host.replica.compact(header.mark, header.mark_row);
    this.#acknowledge(header.sequence);
    return null;
  }

  #follows(sequence: number): boolean {
    this.#sequence++;
    return sequence === this.#sequence;
  }

  #acknowledge(sequence: number): void {
    const { replica } = this.#host;
    const position = replica.position();
    this.#outbox.push(
      streamFrame('ack', {
        sequence,
        lineage_epoch: position.lineageEpoch,
        revision: position.revision,
        cursor: replica.copyCursor() ?? position.revision,
      }),
    );
    this.#host.moved(position);
  }

  #compare(theirs: StreamHeader<'digest'>): void {
    const { replica, clock } = this.#host;
    const { revision } = theirs;
    const answer = (verdict: 'equal' | 'different' | 'unknown') =>
      this.#outbox.push(streamFrame('digest-answer', { revision, verdict }));
    const behind = () => this.#phase !== 'streaming' || replica.cursor().revision < revision;
    if (behind() || replica.mark() > revision) return answer('unknown');
    const facts = { mark: () => replica.mark(), abandoned: () => this.#closed || behind() };
    digestLiveState(replica, revision, clock, facts).then(
      (own) => {
        if (own === null) answer('unknown');
        else answer(own.digest === theirs.digest ? 'equal' : 'different');
      },
      (error: unknown) => this.#failed(error),
    );
  }

  /** What failed aside from a frame ends the session as it would within one. */
  #failed(error: unknown): void {
    this.#host.guard(() => {
      throw error;
    });
  }

  /** After the last chunk: verify, keep and answer. */
  #maybeArchived(): null {
    const verdict = this.#archive?.finishIfComplete(this.#host.replica) ?? null;
    verdict?.then(
      ({ id, ok, detail }) => {
        if (!ok) {
          const text = 'The master’s archive was not taken, so this node cannot take over';
          this.#host.finding({ code: 'archive-refused', text: `${text}: ${detail}` });
        }
        const words = detail.slice(0, 1000);
        this.#outbox.push(streamFrame('archive-answer', { id, ok, detail: words }));
      },
      (error: unknown) => this.#failed(error),
    );
    return null;
  }

  #wholeChunk(header: StreamHeader<'whole-chunk'>, body: Uint8Array): string | null {
    if (this.#phase !== 'whole-copies') return 'a whole copy that was not announced';
    const result = this.#whole.append(header, body, this.#lineage);
    if (result === 'broken') return 'chunks of a whole copy out of order';
    if (result === 'complete') this.#acknowledge(header.sequence);
    return null;
  }
}

/** The first objects of a cut, with the managers that wrote them, for one line of status. */
const namesOf = ({ file, objects }: CutOff): string => {
  if (objects.length === 0) return 'No object was changed by them.';
  const named = objects
    .slice(0, 5)
    .map(({ name, writers }) => (writers.length > 0 ? `${name} (${writers.join(', ')})` : name));
  return `Changed: ${named.join(', ')}${objects.length > 5 ? `, … (${file}.json)` : ''}.`;
};
