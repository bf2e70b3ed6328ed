/**
 * The datastore under this node's own `server/db` while no server runs on it: how far it goes,
 * and whether a power cut may have taken commits back. Opened by SQLite only.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { StreamPosition } from '../../stream/api.ts';
import { positionOf } from '../../stream/lineage.ts';
import type { ServerLife } from './durable.ts';
import { readLineage } from './lineage-table.ts';
import { highestRevision } from './live-reader.ts';
import { datastoreError } from './sqlite-errors.ts';

/**
 * Where it ends; null when there is none or it cannot be read. Promotions from the epoch
 * `unserved` on never got a server up and add nothing: with their epoch this node would outrank
 * receivers that hold more.
 */
export const ownServerPosition = (path: string, unserved: number | null): StreamPosition | null => {
  if (!existsSync(path)) return null;
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    try {
      const lineage = readLineage(database);
      const first = lineage.findIndex(({ epoch }) => unserved !== null && epoch >= unserved);
      const began = lineage[first];
      if (began === undefined) return positionOf(lineage, highestRevision(database));
      return positionOf(lineage.slice(0, first), began.lastTakenOver);
    } finally {
      database.close();
    }
  } catch {
    // Damaged, or not a database: the caller treats it as nothing to start on.
    return null;
  }
};

/**
 * False when commits may be gone although they were acknowledged and streamed: the machine lost
 * its power while a server was writing (kine: `synchronous=NORMAL`). The end of the server's
 * process alone loses nothing that the kernel holds. A datastore that was never under baton has
 * been streamed to nobody, so there is nobody to contradict.
 */
export const isClean = (
  life: ServerLife | null,
  position: StreamPosition,
  bootId: string,
): boolean => {
  if (life === null) return position.lineageEpoch === 0;
  // Nothing but the synced rows of the installation counts, and nothing can be gone of those.
  if (!life.served) return life.clean;
  return life.state !== 'running' || life.boot_id === bootId;
};

/**
 * Where a datastore counts that a server of ours ran on and that cannot be read now; null when that
 * is not so. "Nothing" would be untrue: another node without rows would begin an empty cluster. One
 * row of its epoch is the least there was, and goes less far than any replica of it.
 */
export const unreadablePosition = (
  path: string,
  life: ServerLife | null,
): StreamPosition | null => {
  if (life === null || !life.served || life.epoch === 0 || !existsSync(path)) return null;
  return ownServerPosition(path, null) === null ? { lineageEpoch: life.epoch, revision: 1 } : null;
};

/** Why no server starts on this, and nothing is begun anew; null when nothing speaks against it. */
export const startRefusal = (path: string, life: ServerLife | null): string | null => {
  const wayOut = 'and no empty cluster is begun in its place - restore it from a backup';
  if (existsSync(path)) {
    if (ownServerPosition(path, null) !== null) return null;
    return `${path} cannot be read, ${wayOut}, or move it away to begin an empty one`;
  }
  if (life === null || !life.served || life.epoch === 0) return null;
  return (
    `${path}, on which a server ran with epoch ${life.epoch}, is gone, ${wayOut}, or remove ` +
    'server-life.json in paths.state_dir to begin an empty one'
  );
};

/** After an orderly stop: every commit is in the file and on the disk. */
export const putOnDisk = (path: string): void => {
  if (!existsSync(path)) return;
  try {
    const database = new DatabaseSync(path, { timeout: 5000 });
    try {
      database.exec('PRAGMA synchronous = FULL');
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } finally {
      database.close();
    }
  } catch (error) {
    throw datastoreError(error, 'put the stopped server’s datastore on the disk');
  }
};
