/**
 * Watches the lengths of MQTT packets in a byte stream, before anything buffers a packet.
 *
 * aedes and mqtt-packet have no maximum packet size: a 20 MiB message was accepted and kept whole
 * (test process 181 MB). The length stands in the first two to five bytes of every packet (MQTT
 * 3.1.1, 2.2.3 "Remaining Length"), so a stream can be refused as soon as they have arrived.
 *
 * It does not parse or validate anything else of a packet.
 */

/** What was found: how large the packet says it is, or that its length is malformed. */
export type SizeVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly announced: number | null };

const fine: SizeVerdict = { ok: true };

/** One per direction of a connection; feed it every chunk in order. */
export class PacketSizeWatch {
  readonly #limit: number;
  /** Bytes of the present packet's body that are still to come. */
  #bodyLeft = 0;
  /** Length bytes read so far, or -1 between packets (the type byte comes next). */
  #lengthBytes = -1;
  #length = 0;

  /** `limit`: largest allowed remaining length, bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Not ok when the chunk begins a packet beyond the limit; the connection must then close. */
  feed(chunk: Uint8Array): SizeVerdict {
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLeft > 0) {
        const skipped = Math.min(this.#bodyLeft, chunk.length - at);
        this.#bodyLeft -= skipped;
        at += skipped;
      } else if (this.#lengthBytes < 0) {
        this.#lengthBytes = 0;
        this.#length = 0;
        at += 1;
      } else {
        const verdict = this.#lengthByte(chunk[at] ?? 0);
        if (!verdict.ok) return verdict;
        at += 1;
      }
    }
    return fine;
  }

  /** Seven bits a byte, least significant first, at most four bytes. */
  #lengthByte(byte: number): SizeVerdict {
    this.#length += (byte & 0x7f) * 128 ** this.#lengthBytes;
    this.#lengthBytes += 1;
    if ((byte & 0x80) !== 0) {
      return this.#lengthBytes === 4 ? { ok: false, announced: null } : fine;
    }
    if (this.#length > this.#limit) return { ok: false, announced: this.#length };
    this.#bodyLeft = this.#length;
    this.#lengthBytes = -1;
    return fine;
  }
}
