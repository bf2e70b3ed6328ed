/**
 * Frames as bytes on a direct link, and back from a stream that arrives in any pieces.
 *
 * Wire form: see shared/protocol/frames.ts. A frame's length is judged by its first four bytes,
 * before any of it is kept: a frame of 20 MiB costs nothing. After a broken frame the place where
 * the next one begins is lost, so the decoder stays broken and the connection must be closed.
 *
 * Does not promise anything about headers but that they are JSON objects with a `type`.
 */
import { BatonError } from '../errors/baton-error.ts';
import type { Frame } from '../ports/network.ts';

const LENGTH_BYTES = 4;
const HEADER_LENGTH_BYTES = 2;
const PREFIX_BYTES = LENGTH_BYTES + HEADER_LENGTH_BYTES;
const LONGEST_HEADER = 0xffff;
const typePattern = /^[a-z][a-z0-9_-]{0,31}$/;

/**
 * A frame's bytes up to its body, which follows unchanged (so that a large one is not copied).
 *
 * `frame.header` must be a JSON-safe object without the key `type`, or null.
 * Errors: `invariant-broken` for a frame that no peer would take: too large (`limit` bytes, all
 * told), a wrong type or header.
 */
export const encodeFrameHead = (frame: Frame, limit: number): Buffer => {
  const header = frame.header ?? {};
  const plain = typeof header === 'object' && !Array.isArray(header) && !('type' in header);
  if (!plain || !typePattern.test(frame.type)) throw unsendable(frame, 'has no proper header');
  const json = JSON.stringify({ type: frame.type, ...header });
  const headerLength = Buffer.byteLength(json);
  const total = HEADER_LENGTH_BYTES + headerLength + frame.body.length;
  if (headerLength > LONGEST_HEADER || total > limit) throw unsendable(frame, 'is too large');
  const head = Buffer.allocUnsafe(PREFIX_BYTES + headerLength);
  head.writeUInt32BE(total, 0);
  head.writeUInt16BE(headerLength, LENGTH_BYTES);
  head.write(json, PREFIX_BYTES, 'utf8');
  return head;
};

/** A whole frame's bytes. Errors: as `encodeFrameHead`. */
export const encodeFrame = (frame: Frame, limit: number): Buffer =>
  Buffer.concat([encodeFrameHead(frame, limit), frame.body]);

const unsendable = (frame: Frame, fault: string): BatonError =>
  new BatonError('invariant-broken', 'invariant', `the frame "${frame.type}" ${fault}`, {
    context: { body_bytes: frame.body.length },
  });

/** What a decoder found next: a frame, nothing whole yet, or the end of this connection. */
export type Decoded =
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'broken'; readonly reason: string };

const incomplete: Decoded = { kind: 'incomplete' };
const noBytes = Buffer.alloc(0);

/**
 * Takes chunks with `push`, gives frames with `next` until it says `incomplete`. Keeps at most one
 * unfinished frame. A frame's body may be a view of the chunk it came in.
 */
export class FrameDecoder {
  #limit: number;
  /** Bytes not yet given out: `#store` from `#start` to `#end`. */
  #store: Buffer = noBytes;
  #start = 0;
  #end = 0;
  #broken: Decoded | null = null;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The bound for the frames that follow; the first frame of a link is bound more tightly. */
  set limit(bytes: number) {
    this.#limit = bytes;
  }

  /** Bytes it holds on to. */
  get kept(): number {
    return this.#store.length;
  }

  push(chunk: Uint8Array): void {
    if (this.#broken !== null || chunk.length === 0) return;
    const waiting = this.#end - this.#start;
    if (waiting === 0) {
      // The usual case: nothing is copied.
      this.#store = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    const needed = waiting + chunk.length;
    // Doubling keeps tiny chunks cheap. A new store always: frames given out share the old one.
    if (this.#store.length - this.#end < chunk.length || !this.#owned) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(2 * needed, this.#limit + 4)));
      this.#store.copy(grown, 0, this.#start, this.#end);
      this.#store = grown;
      this.#start = 0;
      this.#end = waiting;
      this.#owned = true;
    }
    this.#store.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  next(): Decoded {
    if (this.#broken !== null) return this.#broken;
    const waiting = this.#end - this.#start;
    if (waiting < LENGTH_BYTES) return incomplete;
    const total = this.#store.readUInt32BE(this.#start);
    if (total > this.#limit) {
      return this.#break(`a frame of ${total} bytes, above the ${this.#limit} allowed`);
    }
    if (total < HEADER_LENGTH_BYTES) return this.#break('a frame without a header');
    if (waiting < LENGTH_BYTES + total) return incomplete;
    const frameStart = this.#start + LENGTH_BYTES;
    const headerStart = frameStart + HEADER_LENGTH_BYTES;
    const headerEnd = headerStart + this.#store.readUInt16BE(frameStart);
    const end = frameStart + total;
    if (headerEnd > end) return this.#break('a header longer than its frame');
    const parsed = parseHeader(this.#store.toString('utf8', headerStart, headerEnd));
    if (parsed === null) return this.#break('a header that is no JSON object with a type');
    const frame = { ...parsed, body: this.#store.subarray(headerEnd, end) };
    this.#start = end;
    if (this.#start === this.#end) this.#release();
    return { kind: 'frame', frame };
  }

  #owned = false;

  #release(): void {
    this.#store = noBytes;
    this.#start = 0;
    this.#end = 0;
    this.#owned = false;
  }

  #break(reason: string): Decoded {
    this.#release();
    this.#broken = { kind: 'broken', reason };
    return this.#broken;
  }
}

const parseHeader = (json: string): { type: string; header: Record<string, unknown> } | null => {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    const { type, ...header } = value as Record<string, unknown>;
    return typeof type === 'string' && typePattern.test(type) ? { type, header } : null;
  } catch {
    return null;
  }
};
