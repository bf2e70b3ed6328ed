/**
 * X.509 certificates in plain Node: a small DER writer, keys and signatures from node:crypto.
 *
 * Only what a server of a test needs: ECDSA P-256, CAs and leaves, names and addresses. No
 * revocation, no name constraints, and nothing reads certificates here (Node does).
 * Sources: RFC 5280 (certificate and extensions), ITU-T X.690 (DER), RFC 5758 (ecdsa-with-SHA256).
 */
import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIP } from 'node:net';

const tag = { boolean: 1, integer: 2, bits: 3, octets: 4, oid: 6, utf8: 12, sequence: 48, set: 49 };

/**
 * One DER element: tag, length (short form, or long form with as many bytes as needed), content.
 */
const element = (kind: number, ...parts: Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const size: number[] = [];
  for (let rest = content.length; rest > 0; rest >>>= 8) size.unshift(rest & 0xff);
  const head = content.length < 128 ? [content.length] : [0x80 | size.length, ...size];
  return Buffer.concat([Buffer.from([kind, ...head]), content]);
};

const sequence = (...parts: Uint8Array[]) => element(tag.sequence, ...parts);

/** An object identifier: the first two numbers share a byte, the rest are base 128. */
const oid = (text: string): Buffer => {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let high = arc >>> 7; high > 0; high >>>= 7) digits.unshift((high & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return element(tag.oid, Buffer.from(bytes));
};

const bitString = (bytes: Uint8Array, unused = 0) =>
  element(tag.bits, Buffer.from([unused]), bytes);
const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));

/** UTCTime before 2050, as RFC 5280 4.1.2.5 wants it, GeneralizedTime from then on. */
const time = (at: Date): Buffer => {
  const digits = `${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  return at.getUTCFullYear() < 2050
    ? element(23, Buffer.from(digits.slice(2)))
    : element(24, Buffer.from(digits));
};

const attribute = (type: string, value: string) =>
  element(tag.set, sequence(oid(type), element(tag.utf8, Buffer.from(value))));

const distinguishedName = (name: { common: string; organization?: string | undefined }): Buffer =>
  sequence(
    ...(name.organization === undefined ? [] : [attribute('2.5.4.10', name.organization)]),
    attribute('2.5.4.3', name.common),
  );

const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(
    oid(id),
    ...(critical ? [element(tag.boolean, Buffer.from([0xff]))] : []),
    element(tag.octets, value),
  );

/** IPv4 as 4 bytes, IPv6 as 16, everything else as a DNS name. */
const alternativeName = (name: string): Buffer => {
  if (isIP(name) === 4) return element(0x87, Buffer.from(name.split('.').map(Number)));
  if (isIP(name) === 6) {
    const [left = '', right] = name.split('::');
    const groups = (part: string | undefined) => (part ? part.split(':') : []);
    const zeros = 8 - groups(left).length - groups(right).length;
    const all = [...groups(left), ...Array<string>(zeros).fill('0'), ...groups(right)];
    return element(0x87, Buffer.from(all.map((one) => one.padStart(4, '0')).join(''), 'hex'));
  }
  return element(0x82, Buffer.from(name));
};

export interface CertificateWish {
  readonly common: string;
  readonly organization?: string;
  /** Names and addresses of a server; empty means a client's certificate. Ignored for a CA. */
  readonly names: readonly string[];
  readonly authority: boolean;
  readonly lifetimeDays: number;
}

const extensions = (wish: CertificateWish): Buffer => {
  const constraint = wish.authority ? [element(tag.boolean, Buffer.from([0xff]))] : [];
  const usage = wish.authority ? [0xa4, 2] : [0xa0, 5]; // bits used, count of bits unused
  const all = [
    extension('2.5.29.19', true, sequence(...constraint)),
    extension('2.5.29.15', true, bitString(Buffer.from([usage[0] ?? 0]), usage[1])),
  ];
  if (!wish.authority) {
    const purpose = wish.names.length > 0 ? '1.3.6.1.5.5.7.3.1' : '1.3.6.1.5.5.7.3.2';
    all.push(extension('2.5.29.37', false, sequence(oid(purpose))));
  }
  if (!wish.authority && wish.names.length > 0) {
    all.push(extension('2.5.29.17', false, sequence(...wish.names.map(alternativeName))));
  }
  return element(0xa3, sequence(...all));
};

export interface KeyPem {
  readonly key: KeyObject;
  /** SEC 1 PEM text, `EC PRIVATE KEY`. */
  readonly pem: string;
}

export const makeKey = (): KeyPem => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { key: privateKey, pem: privateKey.export({ type: 'sec1', format: 'pem' }).toString() };
};

/** A certificate's PEM text for `subject`, signed by `issuer` (itself for a CA's own). */
export const makeCertificate = (
  wish: CertificateWish,
  subject: KeyObject,
  issuer: { readonly common: string; readonly key: KeyObject },
): string => {
  const now = Date.now();
  const from = new Date(now - 3_600_000); // Clocks of two nodes may differ.
  const until = new Date(now + wish.lifetimeDays * 86_400_000);
  const serial = randomBytes(8);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // Positive, and no leading zero byte.
  const body = sequence(
    element(0xa0, element(tag.integer, Buffer.from([2]))), // version 3
    element(tag.integer, serial),
    ecdsaWithSha256,
    distinguishedName({ common: issuer.common }),
    sequence(time(from), time(until)),
    distinguishedName(wish),
    createPublicKey(subject).export({ type: 'spki', format: 'der' }),
    extensions(wish),
  );
  const signed = sequence(body, ecdsaWithSha256, bitString(sign('sha256', body, issuer.key)));
  const lines = signed.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
};
