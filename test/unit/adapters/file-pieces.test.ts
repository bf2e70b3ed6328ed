/** Pieces of large files: as long as there is one, and never half written without an error. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readPiece, writePiece } from '../../../agent/adapters/file-pieces.ts';

const adapter = join(import.meta.dirname, '../../../agent/adapters/file-pieces.ts');
let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-pieces-'));
  path = join(folder, 'file');
  writeFileSync(path, '');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('what was written in pieces is read in pieces', async () => {
  writePiece(path, 0, Buffer.from('first '));
  writePiece(path, 6, Buffer.from('second'));
  expect(readFileSync(path, 'utf8')).toBe('first second');
  expect(Buffer.from(await readPiece(path, 3, 5)).toString()).toBe('st se');
  expect(Buffer.from(await readPiece(path, 9, 50)).toString()).toBe('ond');
  expect(await readPiece(path, 12, 50)).toHaveLength(0);
});

test('a disk that takes a part only is an error', () => {
  // A limit of 512 bytes per file: the first write ends there, as on a disk that gets full.
  const script = `import { writePiece } from '${adapter}';
    process.on('SIGXFSZ', () => {});
    try { writePiece('${path}', 0, new Uint8Array(3000)); }
    catch (error) { console.log(error.code); }`;
  const node = [process.execPath, '--input-type=module', '-e', script];
  const child = spawnSync('sh', ['-c', 'ulimit -f 1; exec "$@"', 'sh', ...node], {
    encoding: 'utf8',
  });
  expect(child.stdout).toBe('EFBIG\n');
  expect(statSync(path).size).toBeGreaterThan(0);
});
