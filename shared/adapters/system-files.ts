/**
 * Real small files. Synchronous on purpose: the loop persists before it sends, one at a time.
 *
 * A write is: temporary file beside the target, fsync when asked, rename, fsync of the directory
 * when asked. After an error of the last step either content may be found; before it, the old one.
 * A crash can leave a temporary file behind (`.NAME.PID-N.baton-new`), which `list` leaves out.
 *
 * Never used below `server/db`: POSIX locks go when any descriptor of the file is closed.
 * Source: rename(2), fsync(2) ("an explicit fsync on the directory is also needed").
 */
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Files } from '../ports/files.ts';
import { errnoOf, fromErrno } from './errno.ts';

const TEMPORARY = /^\..*\.baton-new$/;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
let written = 0;

/** Runs one attempt; every failure leaves as a BatonError that names it. */
function attempt<Result>(words: string, path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw fromErrno(error, `${words} ${path}`, path);
  }
}

/** `otherwise` when the path is not there; any other failure is thrown as it is. */
function unlessMissing<Result>(otherwise: Result, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return otherwise;
    throw error;
  }
}

function withDescriptor(path: string, flags: number, use: (descriptor: number) => void): void {
  const descriptor = openSync(path, flags, 0o600);
  try {
    use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** `writeSync` may take less than it was given, on a disk that is nearly full for instance. */
function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  let done = 0;
  while (done < bytes.length) done += writeSync(descriptor, bytes, done);
}

function replace(path: string, text: string, options: { sync: boolean; mode?: number }): void {
  // A symbolic link stays one: its target is replaced, not the link.
  const target = unlessMissing(path, () => realpathSync.native(path));
  const old = unlessMissing(null, () => statSync(target).mode & 0o7777);
  const directory = dirname(target);
  written += 1;
  const temporary = join(directory, `.${basename(target)}.${process.pid}-${written}.baton-new`);
  try {
    withDescriptor(temporary, NEW_FILE, (descriptor) => {
      writeAll(descriptor, text);
      // Explicit, because the mode of open() passes the umask.
      fchmodSync(descriptor, options.mode ?? old ?? 0o644);
      if (options.sync) fsyncSync(descriptor);
    });
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  if (options.sync) withDescriptor(directory, constants.O_RDONLY, fsyncSync);
}

/**
 * Without `mode`, `write` keeps the mode of the file it replaces, else takes 0644. `list` is
 * sorted; a directory that is not there is `file-missing`. `remove` is for files and harmless
 * when there is none; `makeDirectory` makes parents too and is harmless when it is there.
 */
export function systemFiles(): Files {
  return {
    read: (path) =>
      attempt('read', path, () => unlessMissing(null, () => readFileSync(path, 'utf8'))),
    write: (path, text, options) => attempt('write', path, () => replace(path, text, options)),
    remove: (path) =>
      attempt('remove', path, () => unlessMissing(undefined, () => unlinkSync(path))),
    exists: existsSync,
    list: (directory) =>
      attempt('list', directory, () =>
        readdirSync(directory)
          .filter((name) => !TEMPORARY.test(name))
          .sort(),
      ),
    makeDirectory: (path) => {
      attempt('make directory', path, () => mkdirSync(path, { recursive: true }));
    },
  };
}
