/** The stand-in's parsers: flags, configuration files and tokens, against Go's own answers. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isBatonError } from '../../../shared/errors/baton-error.ts';
import {
  agentConfiguration,
  serverConfiguration,
} from '../../control-plane/embedded/configuration.ts';
import { makeCertificate, makeKey } from '../../control-plane/embedded/der.ts';
import { list, parseFlags, resolveFlags } from '../../control-plane/embedded/flags.ts';
import { formatToken, normalizeToken, open, seal } from '../../control-plane/embedded/token.ts';

test('flags as on k3s: both forms, short forms, lists', () => {
  const given = parseFlags(['-t', 'abc', '--tls-san=a,b', '--tls-san', 'c', '--disable-agent']);
  expect(given.get('token')).toEqual(['abc']);
  expect(list(given, 'tls-san')).toEqual(['a', 'b', 'c']);
  expect(given.get('disable-agent')).toEqual(['true']);
});

test('any command line is parsed or refused with a usage error', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('--token', '-d', '--debug=maybe', '--tls-san='),
  );
  fc.assert(
    fc.property(fc.array(word), (args) => {
      try {
        parseFlags(args);
      } catch (error) {
        expect(isBatonError(error) && error.kind).toBe('usage');
      }
    }),
  );
});

test('the command line wins over the file, drop-ins add with key+', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-flags-'));
  const file = join(folder, 'config.yaml');
  mkdirSync(`${file}.d`);
  writeFileSync(file, 'token: from-file\ntls-san: [one]\nhttps-listen-port: 7000\n');
  writeFileSync(join(`${file}.d`, '10.yaml'), 'tls-san+: [two]\n');
  const given = await resolveFlags(['--config', file, '--token', 'from-line'], {});
  expect(given.get('token')).toEqual(['from-line']);
  expect(list(given, 'tls-san')).toEqual(['one', 'two']);
  const configuration = await serverConfiguration(['--config', file], {});
  expect(configuration).toMatchObject({ port: 7000, token: 'from-file' });
  rmSync(folder, { recursive: true });
});

test.each([
  ['127.0.0.11', '192.0.2.11'],
  ['10.1.2.3', '10.1.2.3'],
  ['0.0.0.0', '192.0.2.1'],
])('bound to %s it advertises %s', async (bind, advertised) => {
  const { advertiseAddress } = await serverConfiguration(['--bind-address', bind], {});
  expect(advertiseAddress).toBe(advertised);
});

test.each([
  [['--https-listen-port', '0']],
  [['--bind-address', 'somewhere']],
  [['--server', 'https://other:6443']],
  [['--token-file', '/does/not/exist']],
])('%s is refused', async (args) => {
  await expect(serverConfiguration(args, {})).rejects.toMatchObject({ kind: 'usage' });
});

test('an agent ends at a key of servers, in its file too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-flags-'));
  const file = join(folder, 'config.yaml');
  const environment = { K3S_URL: 'https://x', K3S_TOKEN: 't', K3S_CONFIG_FILE: file };
  writeFileSync(file, 'node-name: n\nnode-label: [a=b]\n');
  expect(await agentConfiguration([], environment)).toEqual({ server: 'https://x', nodeName: 'n' });
  writeFileSync(file, 'tls-san: [baton-api]\n');
  await expect(agentConfiguration([], environment)).rejects.toThrow('not defined: --tls-san');
  rmSync(folder, { recursive: true });
});

const hash = 'a1'.repeat(32);
// The table of ../../control-plane/real/token_test.go.
test.each([
  ['hello', 'hello'],
  ['with:colon', 'with:colon'],
  [`K10${hash}::server:secret`, 'secret'],
  [`K10${hash}::server:se::cr:et`, 'se::cr:et'],
  ['K10::server:secret', 'secret'],
  ['K10server:secret', 'secret'],
  ['', null],
  ['K10', null],
  ['K10abc::server:secret', null],
  [`K10${hash}::server:`, null],
  [`K10${hash}::server`, null],
  ['abcdef.0123456789abcdef', null],
  [`K10${hash}::abcdef.0123456789abcdef`, null],
])('token %j has the password %j', (token, password) => {
  if (password === null) expect(() => normalizeToken(token)).toThrow(/normalize token/);
  else expect(normalizeToken(token)).toBe(password);
});

test('whatever is sealed opens with its password only, and survives the K10 form', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), (word, plain) => {
      const password = `p${word}`;
      expect(open(password, seal(password, plain))).toBe(plain);
      expect(() => open(`${password}x`, seal(password, plain))).toThrow();
      expect(normalizeToken(formatToken(password, 'ca'))).toBe(password);
    }),
    { numRuns: 20 },
  );
});

test('random bytes never open', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      expect(() => open('secret', bytes)).toThrow();
    }),
    { numRuns: 50 },
  );
});

test('certificates chain to their CA and carry every name', () => {
  const authority = makeKey();
  const issuer = { common: 'ca', key: createPrivateKey(authority.pem) };
  const caWish = { common: 'ca', names: [], authority: true, lifetimeDays: 9000 };
  const ca = new X509Certificate(makeCertificate(caWish, authority.key, issuer));
  const names = ['localhost', '127.0.0.11', '::1'];
  const wish = { common: 'leaf', names, authority: false, lifetimeDays: 30 };
  const leaf = new X509Certificate(makeCertificate(wish, makeKey().key, issuer));
  expect(ca.ca).toBe(true);
  expect(leaf.verify(ca.publicKey) && leaf.checkIssued(ca)).toBe(true);
  expect(leaf.checkHost('localhost')).toBe('localhost');
  for (const address of names.slice(1)) expect(leaf.checkIP(address)).toBe(address);
  expect(new Date(ca.validTo).getTime() - Date.now()).toBeGreaterThan(8990 * 86_400_000);
});
