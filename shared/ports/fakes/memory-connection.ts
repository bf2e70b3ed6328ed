/**
 * Two ends of a framed connection in memory. Frames pass through the real codec, so that a header
 * which is not JSON-safe, or a frame above its bound, fails here as it does on the wire.
 *
 * Frames are delivered in microtasks, in order, once the other end listens; until then they count
 * against the sender's queue.
 */
import { encodeFrame, FrameDecoder } from '../../net/frame-codec.ts';
import {
  type ConnectionBounds,
  connectionBounds,
  refuseOwnType,
} from '../../net/frame-connection.ts';
import type { Frame, FrameConnection, LinkPurpose } from '../network.ts';

export class MemoryConnection implements FrameConnection {
  readonly peer: string;
  readonly purpose: LinkPurpose;
  #other: MemoryConnection | null = null;
  readonly #bounds: ConnectionBounds;
  readonly #decoder: FrameDecoder;
  /** Encoded frames from the other end that nobody has listened to yet. */
  readonly #inbox: Buffer[] = [];
  #inboxBytes = 0;
  #pumping = false;
  #waiting: (() => void)[] = [];
  #frameHandler: ((frame: Frame) => void) | null = null;
  #closeHandler: ((reason: string) => void) | null = null;
  #closedBecause: string | null = null;
  /** The other end's goodbye, behind the frames it sent before. */
  #goodbye: string | null = null;

  constructor(peer: string, purpose: LinkPurpose, bounds: ConnectionBounds) {
    this.peer = peer;
    this.purpose = purpose;
    this.#bounds = bounds;
    this.#decoder = new FrameDecoder(bounds.frame);
  }

  get isOpen(): boolean {
    return this.#closedBecause === null;
  }

  /** A sign of life is given by an end that listens. */
  answers(): Promise<boolean> {
    const other = this.#other;
    const listening = other?.isOpen === true && other.#frameHandler !== null;
    return Promise.resolve(this.isOpen && listening);
  }

  send(frame: Frame): boolean {
    refuseOwnType(frame);
    if (this.#closedBecause !== null || this.#queued >= this.#bounds.queue) return false;
    const bytes = encodeFrame(frame, this.#bounds.frame);
    this.#other?.take(bytes);
    return true;
  }

  drained(): Promise<void> {
    if (this.#closedBecause !== null || this.#queued < this.#bounds.queue) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  onFrame(handler: (frame: Frame) => void): void {
    this.#frameHandler = handler;
    this.#pump();
  }

  onClose(handler: (reason: string) => void): void {
    this.#closeHandler = handler;
    if (this.#closedBecause !== null) this.#tellClosed();
  }

  close(reason: string): void {
    if (this.#closedBecause !== null) return;
    this.finish(reason);
    if (this.#other === null) return;
    this.#other.#goodbye = `the peer closed: ${reason.slice(0, 200)}`;
    this.#other.#pump();
  }

  /** As a cable that is torn: nothing more is delivered. */
  finish(reason: string): void {
    if (this.#closedBecause !== null) return;
    this.#closedBecause = reason;
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (this.#closeHandler !== null) this.#tellClosed();
  }

  take(bytes: Buffer): void {
    if (this.#closedBecause !== null) return;
    this.#inbox.push(bytes);
    this.#inboxBytes += bytes.length;
    this.#pump();
  }

  static pair(
    dialler: string,
    listener: string,
    purpose: LinkPurpose,
    bounds: ConnectionBounds = connectionBounds[purpose],
  ): [dialled: MemoryConnection, taken: MemoryConnection] {
    const dialled = new MemoryConnection(listener, purpose, bounds);
    const taken = new MemoryConnection(dialler, purpose, bounds);
    dialled.#other = taken;
    taken.#other = dialled;
    return [dialled, taken];
  }

  get #queued(): number {
    return this.#other === null ? 0 : this.#other.#inboxBytes;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    while (this.isOpen && this.#frameHandler !== null) {
      const bytes = this.#inbox.shift();
      if (bytes === undefined) break;
      this.#inboxBytes -= bytes.length;
      this.#decoder.push(bytes);
      const decoded = this.#decoder.next();
      if (decoded.kind === 'frame') this.#frameHandler(decoded.frame);
      if (this.#other !== null && this.#inboxBytes < this.#bounds.queue) this.#other.#wake();
    }
    // Without a listener the goodbye waits behind the frames, as bytes in a socket would.
    if (this.#goodbye !== null && this.#frameHandler !== null) this.finish(this.#goodbye);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #tellClosed(): void {
    const handler = this.#closeHandler;
    const reason = this.#closedBecause;
    this.#closeHandler = null;
    if (handler !== null && reason !== null) queueMicrotask(() => handler(reason));
  }
}
