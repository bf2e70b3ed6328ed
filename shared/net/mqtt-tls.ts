/**
 * The TLS settings of baton's MQTT connections: pre-shared keys with forward secrecy.
 *
 * ECDHE-PSK on TLS 1.2, because a Pi has no clock at boot and certificates need one, and because
 * TLS 1.3's external keys are not what mosquitto's `--psk` speaks. The CBC suites stay in the list
 * for mosquitto builds without ChaCha20; the order is ours (`honorCipherOrder`), since a client
 * that lists CBC first would otherwise get it (measured).
 *
 * It does not decide which key belongs to whom: see shared/crypto/keyring.ts.
 * Sources: DESIGN section 6; RFC 5489 (ECDHE-PSK), RFC 7905 (ChaCha20-Poly1305 suites).
 */
import type { ConnectionOptions, TlsOptions } from 'node:tls';

const PSK_CIPHERS = [
  'ECDHE-PSK-CHACHA20-POLY1305',
  'ECDHE-PSK-AES256-CBC-SHA384',
  'ECDHE-PSK-AES128-CBC-SHA256',
].join(':');

/** An identity and the key that proves it, as sent in a handshake. */
export interface PskCredentials {
  readonly identity: string;
  readonly key: Uint8Array;
}

/** Server side, without the callback that looks keys up. */
export const pskServerOptions: TlsOptions = {
  ciphers: PSK_CIPHERS,
  honorCipherOrder: true,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
};

/**
 * Client side. `checkServerIdentity` has nothing to check: there is no certificate, and a server
 * without the key cannot finish the handshake.
 */
export const pskClientOptions = (credentials: PskCredentials): ConnectionOptions => ({
  ciphers: PSK_CIPHERS,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
  checkServerIdentity: () => undefined,
  pskCallback: () => ({ identity: credentials.identity, psk: credentials.key }),
});

/** What a failed handshake tells its client. */
export interface HandshakeFailure {
  /** `key`: the two ends hold different keys, or the server does not know the identity. */
  readonly kind: 'key' | 'not-tls';
  /** In words, to stand in brackets. */
  readonly words: string;
}

/**
 * OpenSSL's names of what happened, as Node puts them into `code`, or into the message when the
 * code is EPROTO. The server finds out at the client's first record under the agreed keys.
 */
const meanings: readonly (readonly [RegExp, HandshakeFailure])[] = [
  [/unknown.psk.identity/i, { kind: 'key', words: 'it does not know this name' }],
  [/bad.record.mac|decrypt.error|decryption.failed/i, { kind: 'key', words: 'the keys differ' }],
];

/** Null when the error is not one of TLS: then nobody is there, or the network failed. */
export const handshakeFailure = (error: unknown): HandshakeFailure | null => {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code !== 'string' || !(code.startsWith('ERR_SSL_') || code === 'EPROTO')) return null;
  const text = `${code} ${typeof message === 'string' ? message : ''}`;
  const known = meanings.find(([pattern]) => pattern.test(text));
  return known?.[1] ?? { kind: 'not-tls', words: 'what answers there is no coordinator' };
};
