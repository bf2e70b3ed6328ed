/**
 * Lease messages in and out, by every path at once: each coordinator's broker, and direct links.
 *
 * Out: sealed once for the receiver, the same bytes on every path. In: the same bytes arrive two to
 * four times within milliseconds; copies are dropped by their MAC before any cryptography is done,
 * but only those of a message that was opened (a forger must not be able to suppress one) and only
 * for a short time, because an announcement is meant to be heard again.
 *
 * What no path takes waits for one, for a moment: an agent that has just started asks for its first
 * renewal before its links stand, and would ask again only when that one has had no answer.
 *
 * What does not open is counted by reason and sender and told once: a wrong cluster key, a node of
 * an unknown name, a second machine under this node's own name. Never an event, never an error.
 */

import type { Keyring } from '../../shared/crypto/keyring.ts';
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import {
  type LeaseRefusal,
  openLeaseMessage,
  sealLeaseMessage,
} from '../../shared/protocol/lease-codec.ts';
import type { LeaseMessage, NodeName } from '../../shared/protocol/lease-messages.ts';

/** One way to another node; false when it cannot carry anything now. */
export type LeasePath = (to: NodeName, bytes: Uint8Array) => boolean;

export interface MessengerOptions {
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly paths: readonly LeasePath[];
  readonly onMessage: (from: NodeName, message: LeaseMessage) => void;
  /** Once per sender and reason. `from` is what the path claims, not a proof. */
  readonly refused: (from: string, reason: LeaseRefusal) => void;
}

export interface Messenger {
  send(to: NodeName, message: LeaseMessage): void;
  /** A path to that node stands now, or, without a name, one that may lead to any. */
  pathUp(to?: NodeName): void;
  receive(claimedFrom: string, bytes: Uint8Array): void;
}

/** Copies of one message on other paths arrive within this time. */
const COPY_WINDOW_MS = 200;
/** The MAC is the first part of a sealed message (shared/protocol/seal.ts). */
const MAC_BYTES = 32;
const REMEMBERED = 256;
/** Of one node: what a start asks for, and no answer that is out of date. */
const WAITING_MOST = 8;
const WAITING_MS = 1000;

interface Waiting {
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

export function messenger(options: MessengerOptions): Messenger {
  const { keyring, clock, paths } = options;
  const recent = new Map<string, number>();
  const told = new Set<string>();
  /** By receiver; names are those of the cluster's key ring. */
  const waiting = new Map<NodeName, readonly Waiting[]>();

  const goes = (path: LeasePath, to: NodeName, bytes: Uint8Array): boolean => {
    try {
      return path(to, bytes);
    } catch (error) {
      if (isBatonError(error) && error.kind === 'invariant') throw error;
      // A path that throws is a path that lost the message.
      return false;
    }
  };
  const carry = (to: NodeName, bytes: Uint8Array): boolean =>
    paths.map((path) => goes(path, to, bytes)).includes(true);
  const isFresh = ({ atMs }: Waiting): boolean => clock.monotonicMilliseconds() - atMs < WAITING_MS;
  const keep = (to: NodeName, bytes: Uint8Array): void => {
    const letter = { bytes, atMs: clock.monotonicMilliseconds() };
    const others = (waiting.get(to) ?? []).filter(isFresh);
    waiting.set(to, [...others, letter].slice(-WAITING_MOST));
  };

  const isCopy = (mac: string): boolean => {
    const at = recent.get(mac);
    return at !== undefined && clock.monotonicMilliseconds() - at < COPY_WINDOW_MS;
  };
  const remember = (mac: string): void => {
    recent.delete(mac);
    recent.set(mac, clock.monotonicMilliseconds());
    const oldest = recent.keys().next();
    if (recent.size > REMEMBERED && !oldest.done) recent.delete(oldest.value);
  };
  const refuse = (from: string, reason: LeaseRefusal): void => {
    const what = `${from} ${reason}`;
    // Bounded: names come from the network.
    if (told.has(what) || told.size >= REMEMBERED) return;
    told.add(what);
    options.refused(from, reason);
  };

  return {
    send(to, message) {
      const bytes = sealLeaseMessage(keyring, to, message);
      if (bytes !== null && !carry(to, bytes)) keep(to, bytes);
    },
    pathUp(to) {
      for (const name of to === undefined ? [...waiting.keys()] : [to]) {
        for (const { bytes } of (waiting.get(name) ?? []).filter(isFresh)) carry(name, bytes);
        // A broker takes what nobody there may hear; a link leads to that node.
        if (to !== undefined) waiting.delete(name);
      }
    },
    receive(claimedFrom, bytes) {
      const mac = Buffer.from(bytes.subarray(0, MAC_BYTES)).toString('latin1');
      if (isCopy(mac)) return;
      const opened = openLeaseMessage(keyring, bytes);
      if (!opened.ok) {
        refuse(claimedFrom, opened.reason);
        return;
      }
      remember(mac);
      options.onMessage(opened.from, opened.message);
    },
  };
}
