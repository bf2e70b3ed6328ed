/**
 * The port for framed, authenticated connections between nodes (the direct links).
 *
 * A connection is TLS-PSK (ECDHE-PSK, TLS 1.2) on TCP; its `peer` is the identity that proved its
 * key. Frames are length-prefixed (shared/protocol/frames.ts). Lease chatter and bulk data use
 * separate connections, so that a first copy never delays a renewal (DESIGN section 6).
 *
 * Real adapter: shared/net/psk-links.ts. Fake: shared/ports/fakes/memory-network.ts.
 */
import type { Duration } from '../time/duration.ts';

/** What the dialler wants of a connection; sent in its first frame. */
export type LinkPurpose = 'lease' | 'bulk';

/** One frame: a small validated JSON header and an opaque body. */
export interface Frame {
  /** What the frame is, for example `lease`, `batch`, `ack`; see shared/protocol/frames.ts. */
  readonly type: string;
  /** JSON-safe value, validated by the receiver of the frame. */
  readonly header: unknown;
  readonly body: Uint8Array;
}

export interface FrameConnection {
  /** Name of the node at the other end, proven by its key. */
  readonly peer: string;
  readonly purpose: LinkPurpose;
  /** False when the frame was dropped (lease) or must wait (bulk): await `drained` first. */
  send(frame: Frame): boolean;
  /** Resolves when the send queue is below its bound again, or the connection is closed. */
  drained(): Promise<void>;
  /** Called for each frame, in order. Only one handler; set it in the connect callback. */
  onFrame(handler: (frame: Frame) => void): void;
  /** Called once, with the reason in words. */
  onClose(handler: (reason: string) => void): void;
  close(reason: string): void;
}

export interface LinkNetwork {
  /** Listens for peers; resolves with the bound port. Errors: `port-in-use`. */
  listen(
    address: { host: string; port: number },
    onConnection: (connection: FrameConnection) => void,
  ): Promise<{ port: number; close(): Promise<void> }>;
  /**
   * One attempt; rejects with `link-refused`, `link-key-refused`, `link-timeout` or
   * `duplicate-node`, of kind `usage` where a person must act and trying again will not help.
   */
  dial(
    target: { node: string; host: string; port: number; purpose: LinkPurpose },
    timeout: Duration,
  ): Promise<FrameConnection>;
}
