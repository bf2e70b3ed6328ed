/**
 * Whole copies for receivers of a datastore whose schema is unknown: one copy is made, sent to
 * each receiver, and made again only after a change. One round at a time, because all rounds
 * write the same file.
 */
import type { RevisionSource, WholeCopies } from './api.ts';

export interface WholeReceiver {
  sendWhole(
    copies: WholeCopies,
    copy: { readonly bytes: number; readonly revision: number },
  ): Promise<void>;
}

export class WholeRounds {
  readonly #copies: WholeCopies;
  readonly #source: RevisionSource;
  /** Receivers that have the copy of the present state. */
  #served = new WeakSet<WholeReceiver>();
  #made: { readonly bytes: number; readonly revision: number } | null = null;
  #running = false;
  #changed = true;

  constructor(copies: WholeCopies, source: RevisionSource) {
    this.#copies = copies;
    this.#source = source;
  }

  changed(): void {
    this.#changed = true;
  }

  /** Errors: `datastore-failed` when no copy could be made. */
  async run(receivers: readonly WholeReceiver[]): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      await this.#round(receivers);
    } finally {
      this.#running = false;
    }
  }

  async #round(receivers: readonly WholeReceiver[]): Promise<void> {
    let copy = this.#made;
    if (copy === null || this.#changed) {
      // Cleared first: a change while the copy is made belongs to the next one.
      this.#changed = false;
      this.#served = new WeakSet();
      copy = await this.#copies.make(this.#source);
      this.#made = copy;
    }
    for (const receiver of receivers) {
      if (this.#served.has(receiver)) continue;
      this.#served.add(receiver);
      await receiver.sendWhole(this.#copies, copy);
    }
  }
}
