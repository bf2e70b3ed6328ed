/**
 * Lease messages as bytes: sealed between the two ends (L15), validated on arrival, and bound to
 * their sender. The same bytes travel by every path, brokers and direct links alike.
 *
 * Source: LEASE.md L15; DESIGN section 8, "A lease message".
 */
import type { Keyring } from '../crypto/keyring.ts';
import type { LeaseMessage, NodeName } from './lease-messages.ts';
import { isCandidateKind, speaksForItself, validateLeaseMessage } from './lease-schemas.ts';
import { open, SEALED_LEASE, type SealRefusal, seal } from './seal.ts';

/** Largest sealed lease message, bytes: 32 members and positions with the longest names fit. */
export const LEASE_MESSAGE_LIMIT = 16 * 1024;

/** `message-invalid`: right seal, wrong content; `not-its-own`: it speaks for another node. */
export type LeaseRefusal = SealRefusal | 'message-invalid' | 'not-its-own';

export type OpenedLeaseMessage =
  | { readonly ok: true; readonly from: NodeName; readonly message: LeaseMessage }
  | { readonly ok: false; readonly reason: LeaseRefusal };

/**
 * The sealed bytes for `to`; null when this node shares no key with it (two nodes that are not
 * eligible, or an unknown one): nothing can be sent then.
 * Errors: `invariant-broken` above `LEASE_MESSAGE_LIMIT`.
 */
export const sealLeaseMessage = (
  keyring: Keyring,
  to: NodeName,
  message: LeaseMessage,
): Uint8Array | null => seal(keyring, SEALED_LEASE, to, message, LEASE_MESSAGE_LIMIT);

/** Opens, validates and binds what arrived, from any path. Never throws. */
export const openLeaseMessage = (keyring: Keyring, bytes: Uint8Array): OpenedLeaseMessage => {
  const opened = open(keyring, SEALED_LEASE, bytes, LEASE_MESSAGE_LIMIT);
  if (!opened.ok) return opened;
  const { from } = opened;
  const message = validateLeaseMessage(opened.value);
  if (message === null) return { ok: false, reason: 'message-invalid' };
  const mayHold = keyring.isEligible(from) || !isCandidateKind(message.kind);
  if (!mayHold || !speaksForItself(from, message)) return { ok: false, reason: 'not-its-own' };
  return { ok: true, from, message };
};
