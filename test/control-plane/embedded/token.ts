/**
 * k3s's join token and what it locks: the row of the datastore that holds the cluster's keys.
 *
 *   row's key    /bootstrap/<first 12 hexadecimal digits of sha256(password)>
 *   row's value  <salt>:<base64(nonce ‖ ciphertext ‖ tag)>
 *
 * The salt is 16 hexadecimal digits used as text; the key is PBKDF2-HMAC-SHA1 with 4096 rounds and
 * 32 bytes; the cipher is AES-256-GCM with a 12-byte nonce and a 16-byte tag.
 * Sources: k3s pkg/clientaccess/token.go, pkg/cluster/encrypt.go; ../real/ does the same in Go.
 */
import { createCipheriv, createDecipheriv, createHash, pbkdf2Sync, randomBytes } from 'node:crypto';
import { BatonError } from '../../../shared/errors/baton-error.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** The form that k3s accepts from agents but refuses as a server's token. */
const kubeadmToken = /^[a-z0-9]{6}\.[a-z0-9]{16}$/;

const tokenError = (message: string): BatonError =>
  new BatonError('key-invalid', 'operational', message);

const badForm = (): BatonError =>
  tokenError(
    'failed to normalize token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or ' +
      '<PASSWORD>',
  );

/** The password of a token in either form. Errors: `key-invalid`. */
export const normalizeToken = (token: string): string => {
  if (token === '' || kubeadmToken.test(token)) throw badForm();
  if (!token.startsWith('K10')) return token;
  const rest = token.slice('K10'.length);
  const split = rest.indexOf('::');
  if (split > 0 && split !== 64) throw badForm();
  const credentials = split < 0 ? rest : rest.slice(split + 2);
  const colon = credentials.indexOf(':');
  const password = colon < 0 ? '' : credentials.slice(colon + 1);
  if (password === '' || kubeadmToken.test(credentials)) throw badForm();
  return password;
};

/** The K10 form for a password; `caFile` is the server CA certificate's PEM text. */
export const formatToken = (password: string, caFile: string): string =>
  `K10${createHash('sha256').update(caFile).digest('hex')}::server:${password}`;

export const storageKey = (password: string): string =>
  `/bootstrap/${createHash('sha256').update(password).digest('hex').slice(0, 12)}`;

const derive = (password: string, salt: string): Buffer =>
  pbkdf2Sync(password, salt, 4096, 32, 'sha1');

export const seal = (password: string, plain: string): Buffer => {
  const salt = randomBytes(8).toString('hex');
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', derive(password, salt), nonce);
  const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return Buffer.from(`${salt}:${sealed.toString('base64')}`);
};

/** Opens a sealed value. Errors: `key-invalid` for another password or an altered value. */
export const open = (password: string, value: Uint8Array): string => {
  const [salt = '', encoded] = Buffer.from(value).toString('latin1').split(':');
  if (encoded === undefined) throw tokenError('invalid cipher text, not : delimited');
  const sealed = Buffer.from(encoded, 'base64');
  if (sealed.length < NONCE_BYTES + TAG_BYTES) {
    throw tokenError('invalid cipher text, shorter than its nonce and tag');
  }
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const opener = createDecipheriv('aes-256-gcm', derive(password, salt), nonce);
  opener.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return (
      opener.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') +
      opener.final('utf8')
    );
  } catch (cause) {
    throw new BatonError('key-invalid', 'operational', 'message authentication failed', { cause });
  }
};
