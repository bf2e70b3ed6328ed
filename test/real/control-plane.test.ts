/**
 * The real control plane (kine and kube-apiserver in one binary) does what the project relies on:
 * acknowledged writes outlive SIGKILL, the datastore alone with its token is a whole server, and
 * a wrong token is refused. Needs Go, or the binary that an earlier build left in the cache.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createDecipheriv, createHash, pbkdf2Sync } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { controlPlanePath } from '../control-plane/real/build.mjs';

const token = 'a-token-for-tests';
let binary = '';
let folder = '';
const children = new Set<ChildProcess>();

beforeAll(async () => {
  const built = await controlPlanePath();
  if (!built.ok) throw new TypeError(built.reason);
  binary = built.path;
  folder = mkdtempSync(join(tmpdir(), 'baton-real-'));
}, 1_500_000);

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

const flags = (data: string, port: number, secret: string) => [
  'server',
  `--data-dir=${data}`,
  `--token=${secret}`,
  '--bind-address=127.0.0.1',
  `--https-listen-port=${port}`,
  '--disable-agent',
];

/** One HTTPS request; status 0 when nobody answers. The certificate is not what is tested. */
const call = (port: number, method: string, path: string, bearer = '', body = '') =>
  new Promise<{ status: number; text: string }>((resolve) => {
    const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' };
    const options = { port, method, path, headers, host: '127.0.0.1', rejectUnauthorized: false };
    const outgoing = request(options, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    outgoing.on('error', () => resolve({ status: 0, text: '' }));
    outgoing.end(body);
  });

const start = async (data: string, port: number): Promise<ChildProcess> => {
  const child = spawn(binary, flags(data, port, token), { stdio: ['ignore', 'pipe', 'pipe'] });
  // Read or not, a full pipe must not stop it.
  for (const output of [child.stdout, child.stderr]) output.resume();
  children.add(child);
  while (child.exitCode === null && (await call(port, 'GET', '/readyz')).status !== 200) {
    await sleep(50);
  }
  expect(child.exitCode, 'the control plane ended instead of getting ready').toBeNull();
  return child;
};

const end = (child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM') =>
  new Promise((resolve) => {
    // Not `exit`: what it said last must have arrived.
    child.once('close', resolve);
    child.kill(signal);
  });

const configMaps = '/api/v1/namespaces/default/configmaps';
const admin = (data: string) => readFileSync(join(data, 'server/cred/admin.token'), 'utf8').trim();
const names = (text: string): string[] =>
  JSON.parse(text).items.map((item: { metadata: { name: string } }) => item.metadata.name);

test('acknowledged writes outlive SIGKILL and the datastore starts elsewhere', async () => {
  const first = join(folder, 'first');
  const port = await freePort();
  const server = await start(first, port);
  const written: string[] = [];
  for (let count = 0; count < 20; count++) {
    const name = `object-${count}`;
    const body = JSON.stringify({ metadata: { name } });
    const answer = await call(port, 'POST', configMaps, admin(first), body);
    expect(answer.status, answer.text).toBe(201);
    written.push(name);
  }
  await end(server, 'SIGKILL');

  const second = join(folder, 'second');
  cpSync(join(first, 'server/db'), join(second, 'server/db'), { recursive: true });
  const heir = await start(second, port);
  const list = await call(port, 'GET', configMaps, admin(second));
  expect(names(list.text)).toEqual(expect.arrayContaining(written));
  expect(admin(second)).toBe(admin(first));

  const said: Buffer[] = [];
  for (const output of [heir.stdout, heir.stderr]) output?.on('data', (part) => said.push(part));
  void call(port, 'GET', `${configMaps}?watch=1`, admin(second));
  await call(port, 'GET', configMaps, admin(second));
  // Later than the 5 s that k3s.service gives it: a kill, and no status.
  const late = setTimeout(() => heir.kill('SIGKILL'), 5000);
  expect(await end(heir, 'SIGTERM'), 'stopped in order within 5 s, with an open watch').toBe(0);
  clearTimeout(late);
  expect(Buffer.concat(said).toString()).toMatch(/API server (did not stop|stopped).*complete/s);
}, 120_000);

test('the bootstrap row opens with the token, in k3s’s own format', () => {
  const file = join(folder, 'second/server/db/state.db');
  expect(existsSync(file)).toBe(true);
  const database = new DatabaseSync(file, { readOnly: true });
  const key = `/bootstrap/${createHash('sha256').update(token).digest('hex').slice(0, 12)}`;
  const row = database.prepare('SELECT value FROM kine WHERE name = ?').get(key);
  database.close();
  const text = Buffer.from(row?.value as Uint8Array).toString('utf8');
  const [salt = '', sealed = ''] = text.split(':');
  const bytes = Buffer.from(sealed, 'base64');
  const secret = pbkdf2Sync(token, salt, 4096, 32, 'sha1');
  const opener = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, 12));
  opener.setAuthTag(bytes.subarray(-16));
  const plain = Buffer.concat([opener.update(bytes.subarray(12, -16)), opener.final()]);
  expect(Object.keys(JSON.parse(plain.toString('utf8')))).toContain('ServerCA');
});

test('a wrong token is refused', async () => {
  const port = await freePort();
  const run = spawnSync(binary, flags(join(folder, 'second'), port, 'another-token'), {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(run.status).toBe(1);
  expect(run.stderr + run.stdout).toMatch(/token/);
}, 70_000);
