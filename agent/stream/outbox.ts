/**
 * Frames in their order over a connection that says "wait": at most what the window of the
 * stream allows is ever held here, because the sender reads nothing while frames wait.
 */
import type { Frame, FrameConnection } from '../../shared/ports/network.ts';

export class Outbox {
  readonly #connection: FrameConnection;
  readonly #onFree: () => void;
  readonly #waiting: Frame[] = [];
  readonly #roomWanted: (() => void)[] = [];
  #draining = false;
  #closed = false;

  /** `onFree` is called when everything that had to wait has been taken. */
  constructor(connection: FrameConnection, onFree: () => void) {
    this.#connection = connection;
    this.#onFree = onFree;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  push(frame: Frame): void {
    if (this.#closed) return;
    if (this.isEmpty && this.#connection.send(frame)) return;
    this.#waiting.push(frame);
    void this.#drain();
  }

  /** Resolves when nothing waits, or the connection is closed. */
  room(): Promise<void> {
    if (this.isEmpty || this.#closed) return Promise.resolve();
    return new Promise((resolve) => this.#roomWanted.push(resolve));
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    while (!this.#closed && this.#waiting.length > 0) {
      await this.#connection.drained();
      let next = this.#waiting[0];
      while (!this.#closed && next !== undefined && this.#connection.send(next)) {
        this.#waiting.shift();
        next = this.#waiting[0];
      }
    }
    this.#draining = false;
    for (const resolve of this.#roomWanted.splice(0)) resolve();
    if (!this.#closed) this.#onFree();
  }

  /** The connection is gone: what waits is dropped. */
  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    for (const resolve of this.#roomWanted.splice(0)) resolve();
  }
}
