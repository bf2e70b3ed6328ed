/**
 * Unpacks one LZ4 frame, as Litestream packs each database page. Node has no LZ4 of its own.
 *
 * Checksums are not verified: what is read here is measured, not restored. A frame that is torn or
 * no frame at all is an error with its place; nothing is ever written beyond `limit`.
 * Source: LZ4 frame format 1.6.4 and LZ4 block format (lz4/lz4, doc/).
 */
import { BatonError } from '../../../shared/errors/baton-error.ts';

const MAGIC = 0x184d2204;
const UNCOMPRESSED = 0x8000_0000;
const SHORTEST_MATCH = 4;

const broken = (what: string, at: number): BatonError =>
  new BatonError('frame-broken', 'operational', `no LZ4 frame: ${what} at byte ${at}`, {
    context: { at },
  });

/** A place in the input; every read beyond the end is an error. */
class Cursor {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw broken('it ends', this.at);
    this.at += 1;
    return value;
  }

  /** Little-endian, `size` bytes. */
  number(size: number): number {
    let value = 0;
    for (let index = 0; index < size; index += 1) value += this.byte() * 2 ** (8 * index);
    return value;
  }

  take(size: number): Uint8Array {
    if (this.at + size > this.bytes.length) throw broken('it ends', this.at);
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  /** A length whose first four bits were 15 goes on in bytes until one is below 255. */
  longer(start: number): number {
    let length = start;
    if (start < 15) return length;
    for (let more = 255; more === 255; ) {
      more = this.byte();
      length += more;
    }
    return length;
  }
}

/** What has been unpacked so far; matches copy from it. */
class Output {
  readonly #bytes: Uint8Array;
  #length = 0;

  constructor(limit: number) {
    this.#bytes = new Uint8Array(limit);
  }

  append(part: Uint8Array, at: number): void {
    if (this.#length + part.length > this.#bytes.length) throw broken('it is too long', at);
    this.#bytes.set(part, this.#length);
    this.#length += part.length;
  }

  /** Byte by byte, because a match may overlap what it writes. */
  repeat(distance: number, length: number, at: number): void {
    const from = this.#length - distance;
    if (distance === 0 || from < 0) throw broken(`a match ${distance} bytes back`, at);
    if (this.#length + length > this.#bytes.length) throw broken('it is too long', at);
    for (let index = 0; index < length; index += 1) {
      this.#bytes[this.#length + index] = this.#bytes[from + index] ?? 0;
    }
    this.#length += length;
  }

  get value(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

function unpackBlock(block: Uint8Array, output: Output): void {
  const cursor = new Cursor(block, 0);
  while (cursor.at < block.length) {
    const token = cursor.byte();
    const literals = cursor.longer(token >> 4);
    output.append(cursor.take(literals), cursor.at);
    // The last sequence of a block has no match.
    if (cursor.at === block.length) return;
    const distance = cursor.number(2);
    const length = cursor.longer(token & 15) + SHORTEST_MATCH;
    output.repeat(distance, length, cursor.at);
  }
}

/**
 * The frame that begins at `start` in `bytes`: its content, at most `limit` bytes, and where the
 * frame ends. Errors: `frame-broken`.
 */
export function unpackFrame(
  bytes: Uint8Array,
  start: number,
  limit: number,
): { readonly content: Uint8Array; readonly end: number } {
  const cursor = new Cursor(bytes, start);
  if (cursor.number(4) !== MAGIC) throw broken('another magic number', start);
  const flags = cursor.byte();
  if (flags >> 6 !== 1) throw broken(`version ${flags >> 6}`, cursor.at);
  // Block size, content size, dictionary id, checksum of the header.
  cursor.take(1 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0) + 1);
  const output = new Output(limit);
  for (let size = cursor.number(4); size !== 0; size = cursor.number(4)) {
    const isPlain = size >= UNCOMPRESSED;
    const block = cursor.take(isPlain ? size - UNCOMPRESSED : size);
    if (isPlain) output.append(block, cursor.at);
    else unpackBlock(block, output);
    if (flags & 0x10) cursor.take(4);
  }
  if (flags & 0x04) cursor.take(4);
  return { content: output.value, end: cursor.at };
}
