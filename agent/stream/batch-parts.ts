/** Joins the parts of a batch that was too large for one frame; bounded by BATCH_LIMIT. */
import { BATCH_LIMIT } from './limits.ts';
import type { StreamHeader } from './stream-frames.ts';

export class BatchParts {
  #sequence = 0;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** The whole body, `incomplete`, or `broken` when parts are missing, mixed or too large. */
  add(header: StreamHeader<'batch'>, body: Uint8Array): Uint8Array | 'incomplete' | 'broken' {
    const { sequence, part, parts } = header;
    if (part === 0) {
      this.clear();
      this.#sequence = sequence;
    }
    if (part !== this.#parts.length || sequence !== this.#sequence) return 'broken';
    this.#parts.push(body);
    this.#bytes += body.length;
    if (this.#bytes > BATCH_LIMIT) return 'broken';
    if (this.#parts.length < parts) return 'incomplete';
    const joined = parts === 1 ? body : Buffer.concat(this.#parts);
    this.clear();
    return joined;
  }

  clear(): void {
    this.#parts = [];
    this.#bytes = 0;
  }
}
