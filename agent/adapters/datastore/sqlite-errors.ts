/** SQLite's failures, mapped once to ours. */

import { errnoOf, fromErrno } from '../../../shared/adapters/errno.ts';
import { BatonError, isBatonError } from '../../../shared/errors/baton-error.ts';
import type { ErrorCode } from '../../../shared/errors/registry.ts';

const SQLITE_FULL = 13;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

const codeOf = (error: unknown): number => {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  // Extended codes carry the primary one in their low byte.
  return typeof code === 'number' ? code & 0xff : 0;
};

/** The file's content is broken, as opposed to busy, full or absent. */
export const isDamage = (error: unknown): boolean => {
  const cause = isBatonError(error) ? error.cause : error;
  return [SQLITE_CORRUPT, SQLITE_NOTADB].includes(codeOf(cause));
};

/** Damage that SQLite itself does not mind; the cause makes `isDamage` treat both alike. */
export const damaged = (words: string): BatonError =>
  new BatonError('datastore-failed', 'operational', `the replica is damaged: ${words}`, {
    cause: { errcode: SQLITE_CORRUPT },
  });

/** `what` says what was being done, for example "apply rows to the replica". */
export const datastoreError = (error: unknown, what: string): BatonError => {
  if (isBatonError(error)) return error;
  // node:sqlite's own code has underscores; those of the kernel have none.
  if (/^E[A-Z0-9]+$/.test(errnoOf(error) ?? '')) return fromErrno(error, what, '');
  const words = error instanceof Error ? error.message : String(error);
  const code: ErrorCode = codeOf(error) === SQLITE_FULL ? 'disk-full' : 'datastore-failed';
  return new BatonError(code, 'operational', `could not ${what}: ${words}`, { cause: error });
};

/** Runs `action` in one transaction; `mode` IMMEDIATE for writers. Rolled back on any error. */
export const inTransaction = <Result>(
  database: { exec(sql: string): void },
  mode: 'DEFERRED' | 'IMMEDIATE',
  action: () => Result,
): Result => {
  database.exec(`BEGIN ${mode}`);
  try {
    const result = action();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    try {
      database.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself (full disk); the first error is the one to report.
    }
    throw error;
  }
};
