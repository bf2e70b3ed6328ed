/** errno becomes one code, once; what the operator reads says what happened and what to do. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errnoOf, fromErrno } from '../../../shared/adapters/errno.ts';

const systemError = (code: string): Error => Object.assign(new TypeError(code), { code });

test.each([
  ['ENOENT', 'file-missing'],
  ['ENOSPC', 'disk-full'],
  ['EDQUOT', 'disk-full'],
  ['EACCES', 'permission-denied'],
  ['EPERM', 'permission-denied'],
  ['EROFS', 'read-only-file-system'],
  ['EISDIR', 'file-kind-wrong'],
  ['ENOTDIR', 'file-kind-wrong'],
  ['EEXIST', 'file-kind-wrong'],
  ['EMFILE', 'resources-exhausted'],
  ['ENOMEM', 'resources-exhausted'],
  ['EIO', 'input-output'],
  ['EUCLEAN', 'input-output'],
  ['toString', 'input-output'],
])('%s is %s', (errno, code) => {
  const cause = systemError(errno);
  const error = fromErrno(cause, 'write /x', '/x');
  expect(error).toMatchObject({ code, kind: 'operational', context: { path: '/x', errno }, cause });
  expect(error.message).toMatch(/^cannot write \/x: .+ - .+|it is not there$/);
});

test('what is no system error is input-output, and has no errno', () => {
  expect(fromErrno('odd', 'read /x', '/x')).toMatchObject({ code: 'input-output' });
  expect(errnoOf(new TypeError('odd'))).toBeNull();
  expect(errnoOf(null)).toBeNull();
});

test.runIf(process.platform === 'linux')('the kernel’s own full disk is disk-full', () => {
  const descriptor = openSync('/dev/full', 'w');
  try {
    writeSync(descriptor, 'x');
    expect.unreachable('/dev/full took a write');
  } catch (error) {
    expect(fromErrno(error, 'write /dev/full', '/dev/full').code).toBe('disk-full');
  } finally {
    closeSync(descriptor);
  }
});

test('a real failure carries the kernel’s word', () => {
  try {
    readFileSync('/no/such/file');
    expect.unreachable('the file is there');
  } catch (error) {
    expect(errnoOf(error)).toBe('ENOENT');
  }
});
