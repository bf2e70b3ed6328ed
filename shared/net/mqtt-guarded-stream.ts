/**
 * A connection as aedes and the MQTT client see it: the socket, with both directions bounded.
 *
 * - In: a packet that announces more than the limit closes the connection before it is buffered.
 * - Out: writing never blocks. aedes makes a publisher wait until every subscriber has taken the
 *   message, so that one frozen subscriber would stop everybody's lease chatter for its whole
 *   drain timeout (60 s by default). Here a write is always accepted; callers look at `queued`
 *   and leave out what is stale, and a connection whose queue passes `sendLimit` is closed.
 *
 * Not promised: delivery. MQTT at QoS 0 does not promise it either.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { BatonError } from '../errors/baton-error.ts';
import { PacketSizeWatch } from './mqtt-packet-size.ts';

export interface GuardLimits {
  /** Largest packet that may arrive, bytes after the fixed header. */
  readonly packetLimit: number;
  /** Bytes that may wait to be sent before the connection is closed. */
  readonly sendLimit: number;
}

export class GuardedStream extends Duplex {
  readonly socket: Socket;
  readonly #limits: GuardLimits;
  readonly #watch: PacketSizeWatch;

  constructor(socket: Socket, limits: GuardLimits) {
    super({
      allowHalfOpen: false,
      // Filled only while corked within one turn; large enough that `write` never says false.
      writableHighWaterMark: limits.sendLimit + limits.packetLimit,
      readableHighWaterMark: 16 * 1024,
    });
    this.socket = socket;
    this.#limits = limits;
    this.#watch = new PacketSizeWatch(limits.packetLimit);
    socket.on('data', (chunk: Buffer) => this.#arrived(chunk));
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /** Bytes that wait in this process to be sent. */
  get queued(): number {
    return this.socket.writableLength;
  }

  #arrived(chunk: Buffer): void {
    if (this.destroyed) return;
    const verdict = this.#watch.feed(chunk);
    if (!verdict.ok) {
      const size = verdict.announced === null ? 'a malformed length' : `${verdict.announced} bytes`;
      this.destroy(
        new BatonError(
          'message-invalid',
          'operational',
          `an MQTT packet announced ${size}; at most ${this.#limits.packetLimit} are taken, ` +
            'so the connection was closed',
          { context: { announced: verdict.announced, limit: this.#limits.packetLimit } },
        ),
      );
      return;
    }
    if (!this.push(chunk)) this.socket.pause();
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.socket.write(chunk);
    done();
    this.#checkQueue();
  }

  /** What was corked within one turn leaves as one TLS record. */
  override _writev(parts: { chunk: Buffer }[], done: () => void): void {
    this.socket.cork();
    for (const part of parts) this.socket.write(part.chunk);
    this.socket.uncork();
    done();
    this.#checkQueue();
  }

  override _final(done: () => void): void {
    this.socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }

  #checkQueue(): void {
    if (this.queued <= this.#limits.sendLimit || this.destroyed) return;
    this.destroy(
      new BatonError(
        'link-timeout',
        'operational',
        `the other end takes nothing: ${this.queued} bytes wait, so the connection was closed`,
        { context: { queued: this.queued, limit: this.#limits.sendLimit } },
      ),
    );
  }
}
