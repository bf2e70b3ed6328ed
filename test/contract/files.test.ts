/** One suite for the port of small files: against the fake and against a real directory. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { systemFiles } from '../../shared/adapters/system-files.ts';
import { isBatonError } from '../../shared/errors/baton-error.ts';
import { memoryFiles } from '../../shared/ports/fakes/memory-files.ts';
import type { Files } from '../../shared/ports/files.ts';

const real = mkdtempSync(join(tmpdir(), 'baton-files-'));
afterAll(() => rmSync(real, { recursive: true }));

/** The code of the BatonError that `action` throws; any other end fails the test. */
const codeOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (isBatonError(error) && error.kind === 'operational') return error.code;
    throw error;
  }
  return 'no error';
};

let folders = 0;
const implementations: readonly [string, () => { files: Files; folder: string }][] = [
  [
    'system files',
    () => {
      folders += 1;
      return { files: systemFiles(), folder: join(real, String(folders)) };
    },
  ],
  ['memory files', () => ({ files: memoryFiles(), folder: '/run/baton' })],
];

describe.each(implementations)('%s', (_name, make) => {
  const inFolder = () => {
    const { files, folder } = make();
    files.makeDirectory(folder);
    return { files, folder, path: join(folder, 'state.json') };
  };

  // A write takes up to a tenth of a second on a busy disk, so few runs must do.
  test.each([
    { sync: false, numRuns: 30 },
    { sync: true, numRuns: 4 },
  ])('what is written is read back, byte for byte, sync $sync', ({ sync, numRuns }) => {
    const { files, path } = inFolder();
    // Lone surrogates are no text: they cannot be written as UTF-8 anywhere.
    const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed());
    const isKept = fc.property(text, (value) => {
      files.write(path, value, { sync });
      expect(files.read(path)).toBe(value);
    });
    fc.assert(isKept, { numRuns });
  });

  test('a file that is not there is null, and harmless to remove', () => {
    const { files, folder, path } = inFolder();
    expect(files.read(path)).toBeNull();
    expect(files.exists(path)).toBe(false);
    files.remove(path);
    expect(files.read(join(folder, 'no', 'folder'))).toBeNull();
    files.remove(join(folder, 'no', 'folder'));
  });

  test('a removed file is gone', () => {
    const { files, folder, path } = inFolder();
    files.write(path, 'x', { sync: true });
    expect(files.exists(path)).toBe(true);
    files.remove(path);
    expect(files.exists(path)).toBe(false);
    expect(files.list(folder)).toEqual([]);
  });

  test('list is sorted and names files and folders of one level, never temporary ones', () => {
    const { files, folder } = inFolder();
    files.write(join(folder, 'b'), '', { sync: true });
    files.write(join(folder, 'b'), 'again', { sync: false });
    files.write(join(folder, 'a'), '', { sync: false });
    files.makeDirectory(join(folder, 'c', 'deep'));
    files.write(join(folder, 'c', 'deep', 'd'), '', { sync: false });
    expect(files.list(folder)).toEqual(['a', 'b', 'c']);
    expect(files.list(join(folder, 'c'))).toEqual(['deep']);
  });

  test('making a folder twice is harmless', () => {
    const { files, folder, path } = inFolder();
    files.write(path, 'kept', { sync: false });
    files.makeDirectory(folder);
    expect(files.read(path)).toBe('kept');
    expect(files.exists(folder)).toBe(true);
  });

  test('errors have one code each', () => {
    const { files, folder, path } = inFolder();
    files.write(path, 'a file', { sync: false });
    const nowhere = join(folder, 'missing', 'x');
    expect(codeOf(() => files.write(nowhere, '', { sync: true }))).toBe('file-missing');
    expect(codeOf(() => files.list(join(folder, 'missing')))).toBe('file-missing');
    expect(codeOf(() => files.write(folder, '', { sync: false }))).toBe('file-kind-wrong');
    expect(codeOf(() => files.read(folder))).toBe('file-kind-wrong');
    expect(codeOf(() => files.list(path))).toBe('file-kind-wrong');
    expect(codeOf(() => files.makeDirectory(path))).toBe('file-kind-wrong');
    expect(codeOf(() => files.write(join(path, 'x'), '', { sync: false }))).toBe('file-kind-wrong');
    expect(files.read(path)).toBe('a file');
    expect(files.list(folder)).toEqual(['state.json']);
  });
});

describe('system files alone', () => {
  const folder = join(real, 'alone');
  const files = systemFiles();
  files.makeDirectory(folder);

  test('a mode is kept whatever the umask, and a rewrite keeps the mode that was there', () => {
    const path = join(folder, 'key');
    const mode = () => statSync(path).mode & 0o777;
    files.write(path, 'x', { sync: false, mode: 0o666 });
    expect(mode()).toBe(0o666);
    files.write(path, 'y', { sync: false, mode: 0o600 });
    files.write(path, 'z', { sync: true });
    expect(mode()).toBe(0o600);
  });

  test('readers never see half a file: the old inode stays as it was', () => {
    const path = join(folder, 'atomic');
    files.write(path, 'old', { sync: true });
    const before = statSync(path).ino;
    files.write(path, 'new', { sync: true });
    expect(statSync(path).ino).not.toBe(before);
  });

  test('a symbolic link stays one', () => {
    const [target, link] = [join(folder, 'target'), join(folder, 'link')];
    files.write(target, 'old', { sync: false });
    symlinkSync(target, link);
    files.write(link, 'new', { sync: false });
    expect(readFileSync(target, 'utf8')).toBe('new');
  });

  // /proc refuses new files even to root.
  test.runIf(process.platform === 'linux')('a write that fails leaves nothing behind', () => {
    const before = readdirSync(folder);
    const long = join(folder, 'n'.repeat(300));
    expect(codeOf(() => files.write(long, 'x', { sync: true }))).toBe('input-output');
    expect(codeOf(() => files.write('/proc/version', 'x', { sync: false }))).not.toBe('no error');
    expect(readdirSync(folder)).toEqual(before);
  });

  test.runIf(process.platform === 'linux')('kernel files without a size are read whole', () => {
    expect(files.read('/proc/sys/kernel/random/boot_id')).toMatch(/^[0-9a-f-]{36}\n$/);
  });
});

describe('memory files alone', () => {
  test('a full disk refuses writes and keeps the old text', () => {
    const files = memoryFiles({ '/d/a': 'old' });
    files.full(true);
    expect(codeOf(() => files.write('/d/a', 'new', { sync: false }))).toBe('disk-full');
    expect(files.read('/d/a')).toBe('old');
    files.full(false);
    files.write('/d/a', 'new', { sync: false });
    expect(files.read('/d/a')).toBe('new');
  });

  test('a sync that fails leaves the old text; unsynced writes go through', () => {
    const files = memoryFiles({ '/d/a': 'old' });
    files.failSync(true);
    expect(codeOf(() => files.write('/d/a', 'new', { sync: true }))).toBe('input-output');
    expect(files.read('/d/a')).toBe('old');
    files.write('/d/a', 'new', { sync: false });
    expect(files.read('/d/a')).toBe('new');
  });

  test('a power cut takes back what was not synced, removals too', () => {
    const files = memoryFiles({ '/d/a': 'old', '/d/b': 'stays' });
    files.write('/d/a', 'new', { sync: false });
    files.write('/d/c', 'lost', { sync: false });
    files.remove('/d/b');
    files.powerCut();
    expect([...files.texts]).toEqual([
      ['/d/a', 'old'],
      ['/d/b', 'stays'],
    ]);
    files.remove('/d/b');
    files.write('/d/a', 'new', { sync: true });
    files.powerCut();
    expect([...files.texts]).toEqual([['/d/a', 'new']]);
  });

  test('a torn write keeps its beginning, once', () => {
    const files = memoryFiles({ '/d/a': '' });
    files.tearNextWrite(3);
    files.write('/d/a', '{"version":1}', { sync: true });
    expect(files.read('/d/a')).toBe('{"v');
    files.write('/d/a', '{"version":1}', { sync: true, mode: 0o600 });
    expect(files.read('/d/a')).toBe('{"version":1}');
    expect(files.mode('/d/a')).toBe(0o600);
    expect(files.mode('/d/none')).toBeNull();
  });
});
