/** Parsers of what k3s stores: tokens, the bootstrap row, an object's field managers. */
import { createCipheriv, pbkdf2Sync } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { writersOf } from '../../../agent/adapters/datastore/object-names.ts';
import {
  bootstrapName,
  checkToken,
  opensBootstrap,
  passwordOfToken,
} from '../../../agent/stream/token.ts';

test('a token is a password, or carries one after the hash of the CA', () => {
  expect(passwordOfToken('secret\n')).toBe('secret');
  expect(passwordOfToken('K10abc::server:secret')).toBe('secret');
  expect(passwordOfToken('K10abc::server:with:colons')).toBe('with:colons');
  expect(passwordOfToken('K10abc::server:')).toBeNull();
  expect(passwordOfToken('K10abc')).toBeNull();
  expect(passwordOfToken(' ')).toBeNull();
});

/** Nonce and salt fixed: the same row each time. */
const sealed = (password: string): string => {
  const nonce = Buffer.alloc(12, 7);
  const key = pbkdf2Sync(password, 'salt', 4096, 32, 'sha1');
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const bytes = [nonce, cipher.update('{"ServerCA":{}}'), cipher.final(), cipher.getAuthTag()];
  return `salt:${Buffer.concat(bytes).toString('base64')}`;
};

test('only the right password opens the bootstrap row', () => {
  const row = sealed('right');
  expect(opensBootstrap('right', row)).toBe(true);
  expect(opensBootstrap('right', Buffer.from(row))).toBe(true);
  expect(opensBootstrap('wrong', row)).toBe(false);
  expect(opensBootstrap('right', `${row.slice(0, -8)}AAAAAAA=`)).toBe(false);
});

test('no value makes the check throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.string(), (value, token) => {
      expect(opensBootstrap('x', value)).toBe(false);
      const datastore = { namesBelow: () => [bootstrapName('y')], valueOf: () => value };
      expect(checkToken(token, datastore).ok).toBe(false);
    }),
    { numRuns: 30 },
  );
});

const field = (number: number, body: Uint8Array): Buffer =>
  Buffer.concat([
    Buffer.from(
      [(number << 3) | 2 | (number > 15 ? 0x80 : 0)].concat(number > 15 ? [number >> 4] : []),
    ),
    Buffer.from([body.length]),
    body,
  ]);

test('field managers of protobuf and JSON objects are named once', () => {
  const entry = (manager: string) => field(17, field(1, Buffer.from(manager)));
  const metadata = Buffer.concat([
    field(1, Buffer.from('name')),
    entry('kubectl'),
    entry('helm'),
    entry('helm'),
  ]);
  const unknown = field(2, field(1, metadata));
  const stored = Buffer.concat([Buffer.from('k8s\0'), unknown]);
  expect(writersOf(stored)).toEqual(['kubectl', 'helm']);
  const json = JSON.stringify({ metadata: { managedFields: [{ manager: 'flux' }] } });
  expect(writersOf(Buffer.from(json))).toEqual(['flux']);
  expect(writersOf('neither')).toEqual([]);
  expect(writersOf(null)).toEqual([]);
});

test('no stored bytes make the search for writers throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.jsonValue(), (noise, json) => {
      expect(writersOf(Buffer.concat([Buffer.from('k8s\0'), noise]))).toBeInstanceOf(Array);
      expect(writersOf(noise)).toBeInstanceOf(Array);
      expect(writersOf(JSON.stringify({ metadata: json }))).toBeInstanceOf(Array);
    }),
  );
});
