/** Takes archives and whole copies in chunks; a chunk out of order ends the connection. */
import type { ArchiveStore, Lineage, Replica } from './api.ts';
import type { StreamHeader } from './stream-frames.ts';

export class ArchiveIntake {
  readonly #archives: ArchiveStore;
  #id = '';
  #expected = 0;
  #received = 0;

  constructor(archives: ArchiveStore) {
    this.#archives = archives;
  }

  /** What it says of itself is checked by the store, at the end. */
  begin(header: StreamHeader<'archive'>, manifest: Uint8Array): void {
    const { id, bytes, sha256 } = header;
    this.#id = id;
    this.#expected = bytes;
    this.#received = 0;
    this.#archives.begin({ id, bytes, sha256, manifest: new TextDecoder().decode(manifest) });
  }

  /** Null, or why the frame breaks a rule. */
  append(header: StreamHeader<'archive-chunk'>, bytes: Uint8Array): string | null {
    const fits = this.#received + bytes.length <= this.#expected && bytes.length > 0;
    if (header.id !== this.#id || header.offset !== this.#received || !fits) {
      return 'chunks of an archive out of order';
    }
    this.#archives.append(header.offset, bytes);
    this.#received += bytes.length;
    return null;
  }

  /** Verifies what has come, once all has; null while chunks are missing. */
  finishIfComplete(replica: Replica): Promise<{ id: string; ok: boolean; detail: string }> | null {
    if (this.#id === '' || this.#received < this.#expected) return null;
    const id = this.#id;
    this.#id = '';
    return this.#archives.finish(replica).then((verdict) => ({ id, ...verdict }));
  }
}

export class WholeIntake {
  readonly #replica: Replica;
  #copy: { sequence: number; bytes: number; revision: number } | null = null;
  #received = 0;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  begin(header: StreamHeader<'whole-copy'>): void {
    this.#copy = header;
    this.#received = 0;
    this.#replica.beginWhole();
  }

  append(
    header: StreamHeader<'whole-chunk'>,
    bytes: Uint8Array,
    lineage: Lineage,
  ): 'complete' | 'incomplete' | 'broken' {
    const copy = this.#copy;
    if (copy === null || header.sequence !== copy.sequence) return 'broken';
    const end = this.#received + bytes.length;
    if (header.offset !== this.#received || end > copy.bytes) return 'broken';
    this.#replica.appendWhole(header.offset, bytes);
    this.#received = end;
    if (end < copy.bytes) return 'incomplete';
    this.#replica.endWhole(copy.revision, lineage);
    this.#copy = null;
    return 'complete';
  }
}
