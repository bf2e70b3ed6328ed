/**
 * The bundle as it ships: one file, started where nothing that npm installed can be found.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { version } from '../../../shared/version.ts';

const root = join(import.meta.dirname, '../../..');
let folder = '';

const node = (...args: string[]) =>
  spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: 200_000 });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-bundle-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('the command is one file that needs no package', () => {
  const built = node(join(root, 'test/build.mjs'), '--out', folder, 'baton');
  expect(built.stderr).toBe('');
  expect(built.status).toBe(0);
  expect(readdirSync(folder)).toEqual(['baton.mjs']);
  const asked = node('baton.mjs', '--version');
  expect(asked.stdout).toBe(`baton ${version}\n`);
  const socket = join(folder, 'nobody.sock');
  const alone = node('baton.mjs', 'status', '--socket', socket);
  expect(alone.stderr).toContain(`nobody listens on ${socket}`);
  expect(alone.status).toBe(3);
});

test.each(['baton-agent', 'baton-coordinator'])('%s is one file that starts', (name) => {
  const built = node(join(root, 'test/build.mjs'), '--out', folder, name);
  expect(built.stderr).toBe('');
  const missing = join(folder, 'missing.yaml');
  const started = node(`${name}.mjs`, '--settings', missing);
  // 2: what a person has to mend; a package that could not be found would be 1.
  expect(started.stderr + started.stdout).toContain(missing);
  expect(started.status).toBe(2);
});

test('a program that does not exist is refused with the known ones', () => {
  const refused = node(join(root, 'test/build.mjs'), '--out', folder, 'batn');
  expect(refused.stderr).toContain('no program batn: baton-agent, baton-coordinator, baton');
  expect(refused.status).toBe(1);
});
