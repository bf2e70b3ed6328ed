/**
 * A framed connection over any byte stream: bounded sending, ordered delivery, signs of life.
 *
 * Each end sends a ping when it has sent nothing else for `keepalive`, and takes the other for
 * gone when nothing arrived for `idle`: a peer that lost its power sends no FIN, and TCP alone
 * would believe in it for a quarter of an hour. Deadlines start anew after this process itself
 * was held up (frozen, asleep): then it was us who did not listen.
 *
 * Types that begin with `link-` are the connection's own and are never delivered. Handlers that
 * throw are our own bugs: the exception leaves through the stream and ends the process.
 */
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { BatonError } from '../errors/baton-error.ts';
import type { Frame, FrameConnection, LinkPurpose } from '../ports/network.ts';
import { BULK_FRAME_LIMIT, LEASE_FRAME_LIMIT } from '../protocol/frames.ts';
import { type Duration, milliseconds, seconds } from '../time/duration.ts';
import { encodeFrame, encodeFrameHead, type FrameDecoder } from './frame-codec.ts';

/** Bounds of one purpose's connections. */
export interface ConnectionBounds {
  /** Largest frame, bytes after the length. */
  readonly frame: number;
  /** A frame is taken while fewer bytes than this wait to be sent. */
  readonly queue: number;
  /** Pause in sending after which a ping is sent. */
  readonly keepalive: Duration;
  /** Silence after which the peer counts as gone; several times `keepalive`. */
  readonly idle: Duration;
}

/**
 * A lease message is worthless after seconds, so its queue is short. A bulk receiver may be held
 * up by a slow card for seconds, so its connection is patient.
 */
export const connectionBounds: Readonly<Record<LinkPurpose, ConnectionBounds>> = {
  lease: {
    frame: LEASE_FRAME_LIMIT,
    queue: 64 * 1024,
    keepalive: seconds(3),
    idle: seconds(7),
  },
  bulk: {
    frame: BULK_FRAME_LIMIT,
    queue: 1024 * 1024,
    keepalive: seconds(5),
    idle: seconds(20),
  },
};

/** Bodies up to this size are copied next to their head: one TLS record instead of two. */
const SMALL_BODY = 16 * 1024;
/** How long the last frames may take to leave after a close. */
const LINGER = milliseconds(1000);
const noBody = new Uint8Array();
const own = (type: string): Buffer => encodeFrame({ type, header: null, body: noBody }, 1024);
const ping = own('link-ping');
const question = own('link-question');
const answer = own('link-answer');

/** Errors: `invariant-broken` for a type that only the connection itself may send. */
export const refuseOwnType = ({ type }: Frame): void => {
  if (!type.startsWith('link-')) return;
  throw new BatonError('invariant-broken', 'invariant', 'link- frames are not for sending');
};

export interface ConnectionOptions {
  readonly peer: string;
  readonly purpose: LinkPurpose;
  readonly bounds: ConnectionBounds;
  /** Called before the owner's handler, for counting. */
  readonly onBroken?: (reason: string) => void;
}

export class StreamConnection implements FrameConnection {
  readonly peer: string;
  readonly purpose: LinkPurpose;
  readonly #stream: Duplex;
  readonly #decoder: FrameDecoder;
  readonly #options: ConnectionOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #waiting: (() => void)[] = [];
  readonly #asking = new Set<(answered: boolean) => void>();
  #frameHandler: ((frame: Frame) => void) | null = null;
  #closeHandler: ((reason: string) => void) | null = null;
  #closedBecause: string | null = null;
  #lastHeard = performance.now();
  #lastSent = performance.now();
  #lastTick = performance.now();

  /** Takes over `stream`; `decoder` may hold bytes that came after the greeting. */
  constructor(stream: Duplex, decoder: FrameDecoder, options: ConnectionOptions) {
    this.peer = options.peer;
    this.purpose = options.purpose;
    this.#stream = stream;
    this.#decoder = decoder;
    this.#options = options;
    decoder.limit = options.bounds.frame;
    // Nothing is read before somebody listens.
    stream.pause();
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('drain', () => this.#wake());
    stream.on('error', (error) => this.#finish(`the connection failed: ${error.message}`));
    stream.on('end', () => this.#finish('the peer ended the connection'));
    stream.on('close', () => this.#finish('the connection is gone'));
    this.#timer = setInterval(() => this.#tick(), options.bounds.keepalive);
  }

  get isOpen(): boolean {
    return this.#closedBecause === null;
  }

  send(frame: Frame): boolean {
    const { bounds } = this.#options;
    refuseOwnType(frame);
    if (this.#closedBecause !== null || this.#stream.writableLength >= bounds.queue) return false;
    const head = encodeFrameHead(frame, bounds.frame);
    this.#lastSent = performance.now();
    if (frame.body.length <= SMALL_BODY) {
      this.#stream.write(Buffer.concat([head, frame.body]));
    } else {
      this.#stream.cork();
      this.#stream.write(head);
      this.#stream.write(frame.body);
      this.#stream.uncork();
    }
    return true;
  }

  drained(): Promise<void> {
    const { queue } = this.#options.bounds;
    if (this.#closedBecause !== null || this.#stream.writableLength < queue) {
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  onFrame(handler: (frame: Frame) => void): void {
    this.#frameHandler = handler;
    // What came with the greeting is delivered first, then the stream goes on.
    this.#deliver();
    if (this.#closedBecause === null) this.#stream.resume();
  }

  onClose(handler: (reason: string) => void): void {
    this.#closeHandler = handler;
    if (this.#closedBecause !== null) this.#tellClosed();
  }

  close(reason: string): void {
    if (this.#closedBecause !== null) return;
    const header = { reason: reason.slice(0, 200) };
    this.#stream.end(encodeFrame({ type: 'link-bye', header, body: noBody }, 4096));
    this.#finish(reason);
  }

  /** Asks the other end's process for a sign of life, past whatever is queued. */
  answers(within: Duration): Promise<boolean> {
    if (this.#closedBecause !== null) return Promise.resolve(false);
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout;
      const settle = (answered: boolean): void => {
        clearTimeout(timer);
        this.#asking.delete(settle);
        resolve(answered);
      };
      const wait = (): void => {
        const began = performance.now();
        // Late by as much again: it was us who did not listen, so the answer gets its time anew.
        const expired = (): void =>
          performance.now() - began > 2 * within ? wait() : settle(false);
        timer = setTimeout(expired, within);
      };
      wait();
      this.#asking.add(settle);
      this.#stream.write(question);
    });
  }

  #receive(chunk: Buffer): void {
    this.#lastHeard = performance.now();
    if (this.#closedBecause !== null) return;
    this.#decoder.push(chunk);
    this.#deliver();
  }

  #deliver(): void {
    while (this.#closedBecause === null && this.#frameHandler !== null) {
      const decoded = this.#decoder.next();
      if (decoded.kind === 'incomplete') return;
      if (decoded.kind === 'broken') {
        this.#options.onBroken?.(decoded.reason);
        this.#stream.destroy();
        this.#finish(`frame-broken: ${decoded.reason}`);
      } else if (decoded.frame.type.startsWith('link-')) {
        this.#deliverOwn(decoded.frame);
      } else {
        this.#frameHandler(decoded.frame);
      }
    }
  }

  #deliverOwn({ type, header }: Frame): void {
    if (type === 'link-bye') {
      const { reason } = header as { reason?: unknown };
      const words = typeof reason === 'string' ? reason.slice(0, 200) : 'no reason given';
      // It ends up in the log and on people's terminals.
      this.#finish(`the peer closed: ${words.replace(/[^\x20-\x7e]/g, '?')}`);
      this.#stream.end();
    } else if (type === 'link-question') {
      // A peer that asks and does not read must not fill our memory.
      if (this.#stream.writableLength < this.#options.bounds.queue) this.#stream.write(answer);
    } else if (type === 'link-answer') for (const settle of this.#asking) settle(true);
  }

  #tick(): void {
    const { keepalive, idle } = this.#options.bounds;
    const now = performance.now();
    const heldUp = now - this.#lastTick > 2 * keepalive;
    this.#lastTick = now;
    if (heldUp) this.#lastHeard = now;
    const silence = now - this.#lastHeard;
    if (silence > idle) {
      this.#stream.destroy();
      this.#finish(`nothing was heard for ${Math.round(silence / 1000)} s`);
    } else if (now - this.#lastSent >= keepalive / 2 && this.#stream.writableLength === 0) {
      // A queue that does not empty is a sign of its own; a ping behind it would prove nothing.
      this.#lastSent = now;
      this.#stream.write(ping);
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #finish(reason: string): void {
    if (this.#closedBecause !== null) return;
    this.#closedBecause = reason;
    clearInterval(this.#timer);
    // Whatever is still queued gets a moment; a peer that takes nothing does not keep us.
    const linger = setTimeout(() => this.#stream.destroy(), LINGER);
    this.#stream.once('close', () => clearTimeout(linger));
    if (this.#stream.closed) clearTimeout(linger);
    this.#stream.resume();
    this.#wake();
    for (const settle of this.#asking) settle(false);
    if (this.#closeHandler !== null) this.#tellClosed();
  }

  /** Later, so that no caller is surprised in the middle of its own `close` or `onClose`. */
  #tellClosed(): void {
    const handler = this.#closeHandler;
    const reason = this.#closedBecause;
    this.#closeHandler = null;
    if (handler !== null && reason !== null) queueMicrotask(() => handler(reason));
  }
}
