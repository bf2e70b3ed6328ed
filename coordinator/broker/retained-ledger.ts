/**
 * Bounds what each party keeps in the broker's memory by retained messages.
 *
 * aedes keeps every retained message for ever; a node that names topics by random numbers would
 * fill the machine. The ledger holds sizes only, not the messages.
 */

export interface RetainedLimits {
  /** Retained topics of one party. */
  readonly topics: number;
  /** Sum of their topics and payloads, bytes. */
  readonly bytes: number;
}

interface Account {
  readonly sizes: Map<string, number>;
  bytes: number;
}

export class RetainedLedger {
  readonly #limits: RetainedLimits;
  readonly #accounts = new Map<string, Account>();

  constructor(limits: RetainedLimits) {
    this.#limits = limits;
  }

  /**
   * Books a retained message of `party`; an empty payload clears the topic (MQTT 3.1.1, 3.3.1.3).
   * False when it would pass a bound: it may be delivered, but must not be kept.
   */
  book(party: string, topic: string, payloadBytes: number): boolean {
    const account = this.#accounts.get(party) ?? { sizes: new Map<string, number>(), bytes: 0 };
    this.#accounts.set(party, account);
    const before = account.sizes.get(topic) ?? 0;
    if (payloadBytes === 0) {
      account.sizes.delete(topic);
      account.bytes -= before;
      return true;
    }
    const size = topic.length + payloadBytes;
    const topics = account.sizes.size + (account.sizes.has(topic) ? 0 : 1);
    const bytes = account.bytes - before + size;
    if (topics > this.#limits.topics || bytes > this.#limits.bytes) return false;
    account.sizes.set(topic, size);
    account.bytes = bytes;
    return true;
  }
}
