/**
 * The embedded stand-in behaves as k3s where a failover depends on it: what it acknowledged
 * outlives SIGKILL, the datastore with its token is a whole server, another token is refused, and
 * it stops in order.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { open } from '../../control-plane/embedded/token.ts';
import {
  configMaps,
  freePort,
  host,
  type StandIn,
  spawnStandIn,
  startStandIn,
} from './stand-in.ts';

const program = join(import.meta.dirname, '../../control-plane/embedded/k3s.ts');
let folder = '';
const running = new Set<StandIn>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-embedded-'));
});
afterEach(async () => {
  for (const one of running) await one.end('SIGKILL');
  running.clear();
  rmSync(folder, { recursive: true, force: true });
});

const start = async (name: string, token = 'secret', environment: Record<string, string> = {}) => {
  const standIn = await startStandIn(join(folder, name), token, environment);
  running.add(standIn);
  return standIn;
};
const object = (name: string, value = 'v') => ({ metadata: { name }, data: { value } });
const namesOf = (text: string): string[] =>
  JSON.parse(text).items.map((item: { metadata: { name: string } }) => item.metadata.name);

/** The last words of a start that must fail. */
const refused = async (name: string, token: string): Promise<string> => {
  const standIn = spawnStandIn(join(folder, name), await freePort(), token);
  running.add(standIn);
  expect(await standIn.end()).toBe(1);
  return standIn.log();
};

test('acknowledged writes outlive SIGKILL, here and on another node', async () => {
  const first = await start('first');
  const written: string[] = [];
  for (let count = 0; count < 30; count++) {
    const answer = await first.call('POST', configMaps, object(`object-${count}`));
    expect(answer.status).toBe(201);
    written.push(`object-${count}`);
  }
  await first.end('SIGKILL');
  cpSync(join(folder, 'first/server/db'), join(folder, 'second/server/db'), { recursive: true });

  const again = await start('first');
  expect(namesOf((await again.call('GET', configMaps)).text)).toEqual(written.toSorted());
  const heir = await start('second');
  expect(namesOf((await heir.call('GET', configMaps)).text)).toEqual(written.toSorted());
  const admin = (name: string) =>
    readFileSync(join(folder, name, 'server/cred/admin.token'), 'utf8');
  expect(admin('second')).toBe(admin('first'));
  expect(readFileSync(join(folder, 'second/server/tls/server-ca.crt'), 'utf8')).toBe(
    readFileSync(join(folder, 'first/server/tls/server-ca.crt'), 'utf8'),
  );
});

test('another token and no token are refused, in k3s’s own words', async () => {
  await (await start('a')).end('SIGTERM');
  const words = 'bootstrap data already found and encrypted with different token';
  expect(await refused('a', 'another')).toContain(words);
  rmSync(join(folder, 'a/server/token'));
  expect(await refused('a', '')).toContain(words);
});

test('an altered bootstrap row is refused', async () => {
  await (await start('a')).end('SIGTERM');
  const database = new DatabaseSync(join(folder, 'a/server/db/state.db'));
  database.exec(`UPDATE kine SET value = CAST(replace(value, substr(value, 60, 1), 'A') AS BLOB)
    WHERE name LIKE '/bootstrap/%'`);
  database.close();
  expect(await refused('a', 'secret')).toContain('cannot decrypt bootstrap data');
});

test('files of an earlier life that are newer than the datastore are refused', async () => {
  await (await start('a')).end('SIGTERM');
  const path = join(folder, 'a/server/tls/service.key');
  writeFileSync(path, 'another cluster’s key');
  utimesSync(path, new Date(), new Date(Date.now() + 10_000));
  expect(await refused('a', 'secret')).toMatch(/service\.key newer than datastore and could cause/);
});

test('a missing file is written again from the datastore', async () => {
  await (await start('a')).end('SIGTERM');
  const path = join(folder, 'a/server/tls/service.key');
  const before = readFileSync(path, 'utf8');
  rmSync(path);
  await (await start('a')).end('SIGTERM');
  expect(readFileSync(path, 'utf8')).toBe(before);
});

test('SIGTERM stops the API, then the datastore, with open watches, and exits 0', async () => {
  const server = await start('a');
  const watch = server.call('GET', `${configMaps}?watch=1`);
  await server.call('POST', configMaps, object('seen'));
  expect(await server.end('SIGTERM')).toBe(0);
  expect((await watch).text).toContain('"type":"ADDED"');
  const log = server.log();
  expect(log.indexOf('API server stopped')).toBeGreaterThan(0);
  expect(log.indexOf('Datastore closed')).toBeGreaterThan(log.indexOf('API server stopped'));
});

test('compaction removes superseded rows and tombstones and moves the mark', async () => {
  const settings = { BATON_TEST_COMPACT_INTERVAL: '50ms', BATON_TEST_COMPACT_MIN_RETAIN: '2' };
  const server = await start('a', 'secret', settings);
  await server.call('POST', configMaps, object('gone'));
  await server.call('DELETE', `${configMaps}/gone`);
  await server.call('POST', configMaps, object('kept', 'one'));
  let newest = 0;
  for (let count = 0; count < 5; count++) {
    const put = await server.call('PUT', `${configMaps}/kept`, object('kept', `value ${count}`));
    newest = Number(JSON.parse(put.text).metadata.resourceVersion);
  }
  // An earlier pass may have seen only some of the writes: wait for the one that saw them all,
  // which sets the mark to the newest revision but two.
  const old = `${configMaps}?watch=1&resourceVersion=${newest - 3}&timeoutSeconds=1`;
  let answer = await server.call('GET', old);
  while (!answer.text.includes('"code":410')) answer = await server.call('GET', old);
  expect(await server.end('SIGTERM')).toBe(0);
  const database = new DatabaseSync(join(folder, 'a/server/db/state.db'), { readOnly: true });
  const count = (where: string) =>
    Number(database.prepare(`SELECT COUNT(*) AS n FROM kine WHERE ${where}`).get()?.n);
  expect(count(`name = '/registry/configmaps/default/gone'`)).toBe(0);
  expect(count(`name = '/registry/configmaps/default/kept'`)).toBeLessThan(6);
  expect(count(`name = 'compact_rev_key' AND prev_revision >= ${newest - 2}`)).toBe(1);
  database.close();
});

test('every answered request is in the access log, with the real stand-in’s fields', async () => {
  const server = await start('a');
  await server.call('POST', configMaps, object('logged'));
  await server.end('SIGKILL');
  const lines = readFileSync(join(folder, 'a/server/access.log'), 'utf8').trim().split('\n');
  const line = JSON.parse(lines.at(-1) ?? '');
  const keys = ['t_wall_us', 'end_wall_us', 'verb', 'path', 'code', 'from', 'agent'];
  expect(Object.keys(line)).toEqual(keys);
  expect(line).toMatchObject({ verb: 'POST', path: configMaps, code: 201, agent: 'baton-test/1' });
  expect(Math.abs(line.t_wall_us / 1000 - Date.now())).toBeLessThan(60_000);
});

test('only the right bearer token is let in', async () => {
  const server = await start('a');
  expect((await server.call('GET', configMaps, undefined, 'wrong')).status).toBe(401);
  expect((await server.call('GET', configMaps)).status).toBe(200);
});

test('the bootstrap row opens with the password and holds k3s’s names', async () => {
  await (await start('a')).end('SIGTERM');
  const database = new DatabaseSync(join(folder, 'a/server/db/state.db'), { readOnly: true });
  const row = database.prepare(`SELECT value FROM kine WHERE name LIKE '/bootstrap/%'`).get();
  database.close();
  const plain = JSON.parse(open('secret', row?.value as Uint8Array));
  expect(Object.keys(plain)).toEqual(expect.arrayContaining(['ServerCA', 'ServiceKey']));
});

test('an agent is ready once a server is, and waits for one as long as it takes', async () => {
  const port = await freePort();
  const url = `https://${host}:${port}`;
  const agent = spawn(process.execPath, [program, 'agent', '--server', url, '--token', 'secret'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  agent.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  try {
    await expect.poll(() => said, { timeout: 120_000 }).toContain('Starting k3s agent');
    await sleep(2500);
    expect(said).not.toContain('agent is up and running');
    running.add(spawnStandIn(join(folder, 'a'), port, 'secret'));
    await expect.poll(() => said, { timeout: 120_000 }).toContain('agent is up and running');
    agent.kill('SIGTERM');
    expect(await once(agent, 'exit')).toEqual([0, null]);
  } finally {
    agent.kill('SIGKILL');
  }
});

test('it names itself, and a wrong command line is one line and status 1', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  expect(run('--version').stdout).toMatch(/^k3s version v[\d.]+\+baton-embedded/);
  for (const args of [['server', '--nonsense'], ['server', '--cluster-init'], ['agent'], []]) {
    const { status, stderr } = run(...args);
    expect(status).toBe(1);
    expect(stderr).toContain('level=fatal');
  }
});
