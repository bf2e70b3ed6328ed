/**
 * The direct links for lease messages: this voter dials every eligible node, and takes what dials.
 *
 * Two nodes that may both be master dial each other and so have two links; a frame goes out on one
 * of them. A link that is lost is dialled again after a pause that doubles up to four seconds, so
 * that a dead node costs nothing; what is sent meanwhile waits for a moment (messenger.ts), or is
 * lost, as any lease message may be.
 * Trouble is told once per change, not once per try.
 *
 * Bulk connections (the revision stream) arrive on the same port and are handed on untouched.
 * Source: DESIGN section 6 "Direct links".
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { ErrorCode } from '../../shared/errors/registry.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { FrameConnection, LinkNetwork } from '../../shared/ports/network.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import { milliseconds, seconds } from '../../shared/time/duration.ts';

export interface LinkPeer {
  readonly name: NodeName;
  readonly host: string;
  readonly port: number;
}

export interface LinkNotice {
  readonly peer: NodeName;
  /** `refused`: trying again will not help, a person must act; `code` says what it is. */
  readonly state: 'up' | 'down' | 'refused';
  readonly code: ErrorCode | null;
  readonly text: string;
}

export interface LeaseLinksOptions {
  readonly network: LinkNetwork;
  readonly clock: Clock;
  /** Whom this node dials. */
  readonly peers: readonly LinkPeer[];
  readonly onLease: (from: NodeName, bytes: Uint8Array) => void;
  readonly onReport: (from: NodeName, bytes: Uint8Array) => void;
  readonly onBulk: (connection: FrameConnection) => void;
  readonly notice: (notice: LinkNotice) => void;
  /** Each link, as soon as it can carry something. */
  readonly linkUp: (peer: NodeName) => void;
}

export interface LeaseLinks {
  /** False when no link to that node is up, or its queue is full. */
  send(to: NodeName, type: 'lease' | 'report', bytes: Uint8Array): boolean;
  /** For the listener: takes a connection of either purpose. */
  accept(connection: FrameConnection): void;
  /** Names of the nodes with a link that is up. */
  connected(): readonly NodeName[];
  close(): void;
}

const DIAL_LIMIT = seconds(3);
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 4000;
/** More lease connections from one node than this are left over; the oldest goes. */
const PER_PEER = 3;

export function leaseLinks(options: LeaseLinksOptions): LeaseLinks {
  return new DialledLinks(options);
}

class DialledLinks implements LeaseLinks {
  readonly #options: LeaseLinksOptions;
  readonly #open = new Map<NodeName, FrameConnection[]>();
  readonly #told = new Map<NodeName, string>();
  #closed = false;

  constructor(options: LeaseLinksOptions) {
    this.#options = options;
    for (const peer of options.peers) this.#dial(peer, FIRST_PAUSE_MS);
  }

  send(to: NodeName, type: 'lease' | 'report', body: Uint8Array): boolean {
    const links = this.#open.get(to) ?? [];
    return links.some((connection) => connection.send({ type, header: null, body }));
  }

  accept(connection: FrameConnection): void {
    if (connection.purpose === 'bulk') this.#options.onBulk(connection);
    else this.#take(connection, () => undefined);
  }

  connected(): readonly NodeName[] {
    return [...this.#open].filter(([, links]) => links.length > 0).map(([name]) => name);
  }

  close(): void {
    this.#closed = true;
    for (const links of this.#open.values()) for (const link of links) link.close('stopping');
  }

  #tell(notice: LinkNotice): void {
    const { peer, state, code } = notice;
    const what = `${state} ${code}`;
    if (this.#closed || this.#told.get(peer) === what) return;
    this.#told.set(peer, what);
    this.#options.notice(notice);
  }

  #failed(peer: NodeName, error: unknown): void {
    // What is no refusal is our own bug and ends the process.
    if (!isBatonError(error) || error.kind === 'invariant') throw error;
    const { code, message } = error;
    if (error.kind === 'usage') this.#tell({ peer, state: 'refused', code, text: message });
    else
      this.#tell({
        peer,
        state: 'down',
        code: null,
        text: `no direct link to ${peer}: ${message}`,
      });
  }

  /** `gone` is called once when the connection has ended. */
  #take(connection: FrameConnection, gone: () => void): void {
    const { peer } = connection;
    const kept = [...(this.#open.get(peer) ?? []), connection];
    this.#open.set(peer, kept);
    if (kept.length > PER_PEER) kept[0]?.close('replaced by a newer link');
    connection.onFrame(({ type, body }) => {
      if (type === 'lease') this.#options.onLease(peer, body);
      else if (type === 'report') this.#options.onReport(peer, body);
    });
    connection.onClose((reason) => {
      const rest = (this.#open.get(peer) ?? []).filter((other) => other !== connection);
      this.#open.set(peer, rest);
      const text = `direct link to ${peer} is down: ${reason}`;
      if (rest.length === 0) this.#tell({ peer, state: 'down', code: null, text });
      gone();
    });
    this.#tell({ peer, state: 'up', code: null, text: `direct link to ${peer} is up` });
    this.#options.linkUp(peer);
  }

  #dial(peer: LinkPeer, pause: number): void {
    if (this.#closed) return;
    const { network, clock } = this.#options;
    const { name: node, host, port } = peer;
    const again = (next: number) => clock.in(milliseconds(next), () => this.#dial(peer, next));
    network.dial({ node, host, port, purpose: 'lease' }, DIAL_LIMIT).then(
      (connection) => {
        if (this.#closed) connection.close('stopping');
        else this.#take(connection, () => again(FIRST_PAUSE_MS));
      },
      (error: unknown) => {
        this.#failed(node, error);
        again(Math.min(pause * 2, LONGEST_PAUSE_MS));
      },
    );
  }
}
