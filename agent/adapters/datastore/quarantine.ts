/**
 * Quarantine of an old `server/`: database, `-wal` and `-shm` together with its certificates,
 * by rename on one file system. The caller has closed every connection to the database.
 *
 * The newest ones are kept; older ones go only to keep the disk from filling up, after the rows
 * that only they had were saved (cut-off.ts).
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncDirectory } from './durable.ts';

/** Enough to look back on a bad week; a datastore is some ten megabytes. */
const KEPT = 8;

const numbered = (directory: string): number[] =>
  readdirSync(directory)
    .map((name) => /^server-(\d+)$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((one, other) => one - other);

/** Moves `server` into `quarantine` under the next number; returns the new path. */
export const quarantineServer = (server: string, quarantine: string): string => {
  mkdirSync(quarantine, { recursive: true, mode: 0o700 });
  const taken = numbered(quarantine);
  const target = `${quarantine}/server-${(taken.at(-1) ?? 0) + 1}`;
  renameSync(server, target);
  syncDirectory(quarantine);
  syncDirectory(dirname(server));
  for (const number of taken.slice(0, -(KEPT - 1))) {
    const old = `${quarantine}/server-${number}`;
    if (existsSync(old)) rmSync(old, { recursive: true, force: true });
  }
  return target;
};
