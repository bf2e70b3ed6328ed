/**
 * The one place where errno becomes a `BatonError`.
 *
 * Does not decide whether a failure is expected: adapters turn "not there" into null or false
 * before they come here. Source: errno(3), libuv's names of the codes.
 */
import { BatonError } from '../errors/baton-error.ts';
import type { ErrorCode } from '../errors/registry.ts';

interface Meaning {
  readonly code: ErrorCode;
  /** What it means and what to do, after "cannot … :". */
  readonly words: string;
}

const full: Meaning = { code: 'disk-full', words: 'no space is left - free some on this device' };
const denied: Meaning = {
  code: 'permission-denied',
  words: 'the operating system refused - check owner and mode, and that baton runs as root',
};
const wrongKind: Meaning = {
  code: 'file-kind-wrong',
  words: 'a directory stands where a file must be, or the reverse - move it away',
};
const exhausted: Meaning = {
  code: 'resources-exhausted',
  words: 'out of file descriptors, processes or memory - check the limits of this service',
};

const meanings: ReadonlyMap<string, Meaning> = new Map(
  Object.entries({
    ENOENT: { code: 'file-missing', words: 'it is not there' },
    ENOSPC: full,
    EDQUOT: full,
    EACCES: denied,
    EPERM: denied,
    EROFS: {
      code: 'read-only-file-system',
      words: 'the file system is read-only, often a dying SD card - check the kernel log',
    },
    EISDIR: wrongKind,
    ENOTDIR: wrongKind,
    EEXIST: wrongKind,
    EMFILE: exhausted,
    ENFILE: exhausted,
    EAGAIN: exhausted,
    ENOMEM: exhausted,
  } satisfies Record<string, Meaning>),
);

/** The errno name of a system error, for example `ENOENT`; null for anything else. */
export const errnoOf = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;

/**
 * The `BatonError` (kind operational) for a failed system call. An errno without a row in the
 * table is `input-output`: the call failed and nobody above can do better than say so.
 * `attempt` completes "cannot …", for example `write /run/baton/lease`.
 */
export function fromErrno(error: unknown, attempt: string, path: string): BatonError {
  const errno = errnoOf(error);
  const meaning = meanings.get(errno ?? '') ?? {
    code: 'input-output',
    words: `the device failed (${errno ?? String(error)}) - check the kernel log`,
  };
  return new BatonError(meaning.code, 'operational', `cannot ${attempt}: ${meaning.words}`, {
    context: { path, errno },
    cause: error,
  });
}
