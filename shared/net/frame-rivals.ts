/**
 * Two machines under one node name: told from one machine whose process was started again.
 *
 * Every process has a life, a random word that its greeting carries. When a name appears with a
 * second life, the first one is asked for a sign of life. If it gives one, there are two machines,
 * and the newcomer is refused; if not, the old links are those of a process that is gone.
 *
 * Does not decide which of two machines is the right one: who came first stays.
 */
import type { NodeName } from '../protocol/lease-messages.ts';
import { type Duration, milliseconds } from '../time/duration.ts';

/** As much of a connection as this needs. */
export interface Rival {
  readonly isOpen: boolean;
  /** Resolves with true as soon as the other end answers, with false after `within`. */
  answers(within: Duration): Promise<boolean>;
  close(reason: string): void;
}

interface Link<Connection> {
  readonly life: string;
  readonly connection: Connection;
}

/** A peer on the same network answers in milliseconds; one that is dead keeps us this long. */
const SIGN_OF_LIFE = milliseconds(1000);

export class LinkRivals<Connection extends Rival> {
  readonly #links = new Map<NodeName, Link<Connection>[]>();
  readonly #patience: Duration;

  constructor(patience: Duration = SIGN_OF_LIFE) {
    this.#patience = patience;
  }

  /**
   * Calls `make` once no other life holds the name, and keeps what it gives. Null when another life
   * answered, or when `make` gave null (the newcomer is gone meanwhile).
   */
  async admit(
    peer: NodeName,
    life: string,
    make: () => Connection | null,
  ): Promise<Connection | 'rival' | null> {
    // Again after each wait: another newcomer may have been admitted meanwhile.
    for (let others = this.#others(peer, life); others.length > 0; ) {
      const answers = others.map(({ connection }) => connection.answers(this.#patience));
      if ((await Promise.all(answers)).includes(true)) return 'rival';
      for (const { connection } of others) connection.close('its process was started again');
      others = this.#others(peer, life);
    }
    const connection = make();
    if (connection !== null) this.#links.set(peer, [...this.#open(peer), { life, connection }]);
    return connection;
  }

  #open(peer: NodeName): Link<Connection>[] {
    return (this.#links.get(peer) ?? []).filter(({ connection }) => connection.isOpen);
  }

  #others(peer: NodeName, life: string): Link<Connection>[] {
    return this.#open(peer).filter((link) => link.life !== life);
  }
}
