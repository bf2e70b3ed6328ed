/**
 * Whether a promotion could write where it has to: asked before one, for in its middle the answer
 * costs the role. Does not promise that a write succeeds: a full disk is told elsewhere.
 * Source: access(2), which says EROFS for a read-only mount to root as well.
 */
import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, fromErrno } from '../../shared/adapters/errno.ts';
import type { BatonError } from '../../shared/errors/baton-error.ts';

/** Null, or why not; what is not there yet is made in the nearest directory that is. */
export const writeProblem = (path: string): BatonError | null => {
  try {
    accessSync(path, constants.W_OK);
    return null;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' && path !== dirname(path)) return writeProblem(dirname(path));
    return fromErrno(error, `write to ${path}`, path);
  }
};
