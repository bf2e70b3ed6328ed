/**
 * Two ends of a framed connection in one process, and a network that dials them: what the stream
 * needs to run end to end. Frames arrive later, in order, encoded and decoded as on the wire; a
 * bounded queue says "wait" as the real one does.
 */

import { BatonError } from '../../../shared/errors/baton-error.ts';
import { encodeFrame, FrameDecoder } from '../../../shared/net/frame-codec.ts';
import type { Frame, FrameConnection, LinkNetwork } from '../../../shared/ports/network.ts';

const LIMIT = 4 * 1024 * 1024;
const QUEUE = 128 * 1024;

class LoopbackEnd implements FrameConnection {
  readonly peer: string;
  readonly purpose = 'bulk' as const;
  /** Frames that this end has sent, by type. */
  readonly sent: Frame[] = [];
  other: LoopbackEnd | null = null;
  /** Frames are altered or dropped on their way (null) by this. */
  tamper: (frame: Frame) => Frame | null = (frame) => frame;
  #queued = 0;
  #waiting: (() => void)[] = [];
  #frame: ((frame: Frame) => void) | null = null;
  #backlog: Frame[] = [];
  #close: ((reason: string) => void) | null = null;
  #closed: string | null = null;

  constructor(peer: string) {
    this.peer = peer;
  }

  send(frame: Frame): boolean {
    if (this.#closed !== null || this.#queued >= QUEUE) return false;
    const bytes = encodeFrame(frame, LIMIT);
    this.sent.push(frame);
    this.#queued += bytes.length;
    setImmediate(() => {
      this.#queued -= bytes.length;
      if (this.#queued < QUEUE) for (const wake of this.#waiting.splice(0)) wake();
      const decoder = new FrameDecoder(LIMIT);
      decoder.push(bytes);
      const decoded = decoder.next();
      if (decoded.kind !== 'frame') throw new BatonError('invariant-broken', 'invariant', 'frame');
      const altered = this.tamper(decoded.frame);
      if (altered !== null) this.other?.deliver(altered);
    });
    return true;
  }

  deliver(frame: Frame): void {
    if (this.#closed !== null) return;
    if (this.#frame === null) this.#backlog.push(frame);
    else this.#frame(frame);
  }

  drained(): Promise<void> {
    if (this.#closed !== null || this.#queued < QUEUE) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  onFrame(handler: (frame: Frame) => void): void {
    this.#frame = handler;
    for (const frame of this.#backlog.splice(0)) handler(frame);
  }

  onClose(handler: (reason: string) => void): void {
    this.#close = handler;
    if (this.#closed !== null) handler(this.#closed);
  }

  close(reason: string): void {
    if (this.#closed !== null) return;
    this.ended(reason);
    setImmediate(() => this.other?.ended(`the peer closed: ${reason}`));
  }

  ended(reason: string): void {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const wake of this.#waiting.splice(0)) wake();
    queueMicrotask(() => this.#close?.(reason));
  }
}

export interface Dialled {
  readonly dialler: LoopbackEnd;
  readonly listener: LoopbackEnd;
}

/** A network on which `self` dials masters that `listen` here under their names. */
export class LoopbackNetwork {
  readonly dialled: Dialled[] = [];
  readonly #listeners = new Map<string, (connection: FrameConnection) => void>();

  serve(node: string, onConnection: (connection: FrameConnection) => void): void {
    this.#listeners.set(node, onConnection);
  }

  vanish(node: string): void {
    this.#listeners.delete(node);
  }

  /** The view of one node. */
  of(self: string): LinkNetwork {
    return {
      listen: () => {
        throw new BatonError('invariant-broken', 'invariant', 'serve() is used instead');
      },
      dial: async ({ node }) => {
        const listener = this.#listeners.get(node);
        if (listener === undefined) {
          throw new BatonError('link-refused', 'operational', `${node} is not there`);
        }
        const there = new LoopbackEnd(self);
        const here = new LoopbackEnd(node);
        there.other = here;
        here.other = there;
        this.dialled.push({ dialler: here, listener: there });
        listener(there);
        return here;
      },
    };
  }

  /** The connection dialled last. */
  last(): Dialled {
    const last = this.dialled.at(-1);
    if (last === undefined) throw new BatonError('invariant-broken', 'invariant', 'no dial yet');
    return last;
  }
}
