/**
 * Does a k3s token open the datastore's `/bootstrap` row? Checked when an archive arrives and
 * again before a promotion, because a server with the wrong token does not start.
 *
 * Format (k3s pkg/cluster/encrypt.go and pkg/clientaccess/token.go): the row is named
 * `/bootstrap/` + the first 12 hexadecimal digits of sha256(password); its value is
 * `<salt>:<base64(nonce 12, ciphertext, tag 16)>`, AES-256-GCM under PBKDF2-HMAC-SHA1 (password,
 * salt as text, 4096 rounds, 32 bytes). A token is the password itself, or
 * `K10<sha256 of the CA>::<user>:<password>`.
 */
import { createDecipheriv, createHash, pbkdf2Sync } from 'node:crypto';

const ROUNDS = 4096;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const BOOTSTRAP_PREFIX = '/bootstrap/';

/** The password within a token in either form; null when there is none. */
export const passwordOfToken = (token: string): string | null => {
  const text = token.trim();
  if (text === '') return null;
  if (!text.startsWith('K10')) return text;
  const credentials = text.slice(3).split('::').at(-1) ?? '';
  const colon = credentials.indexOf(':');
  const password = colon < 0 ? '' : credentials.slice(colon + 1);
  return password === '' ? null : password;
};

export const bootstrapName = (password: string): string =>
  BOOTSTRAP_PREFIX + createHash('sha256').update(password).digest('hex').slice(0, 12);

/** True when `password` decrypts a bootstrap value; every malformed value is simply false. */
export const opensBootstrap = (password: string, value: Uint8Array | string): boolean => {
  const text = typeof value === 'string' ? value : Buffer.from(value).toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) return false;
  const sealed = Buffer.from(text.slice(colon + 1), 'base64');
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return false;
  const key = pbkdf2Sync(password, text.slice(0, colon), ROUNDS, 32, 'sha1');
  const opener = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  opener.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    opener.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
    opener.final();
    return true;
  } catch {
    // GCM's tag did not match: another password, or an altered row.
    return false;
  }
};

export type TokenVerdict = { readonly ok: true } | { readonly ok: false; readonly detail: string };

/** Compares a token with what the datastore holds under `/bootstrap/`. */
export const checkToken = (
  token: string | null,
  datastore: {
    namesBelow(prefix: string): readonly string[];
    valueOf(name: string): Uint8Array | string | null;
  },
): TokenVerdict => {
  const names = datastore.namesBelow(BOOTSTRAP_PREFIX);
  if (names.length === 0) {
    // Never so on a k3s that got ready; without the row there is nothing that could mismatch.
    return { ok: true };
  }
  const password = passwordOfToken(token ?? '');
  if (password === null) {
    return { ok: false, detail: 'the archive holds no server token, but the datastore needs one' };
  }
  const value = datastore.valueOf(bootstrapName(password));
  if (value !== null && opensBootstrap(password, value)) return { ok: true };
  return {
    ok: false,
    detail:
      'the token does not open the datastore’s bootstrap row, so a server would refuse to ' +
      'start: put the cluster’s token into server/token on the master',
  };
};
