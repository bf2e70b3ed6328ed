/** Small durable steps on the disk: sync a file or directory, and the record of server lives. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';

/** Puts a directory's entries (renames in it) on the disk. */
export const syncDirectory = (path: string): void => {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
};

const shape = v.object({
  version: v.literal(1),
  state: v.picklist(['installed', 'running', 'stopped']),
  boot_id: v.string(),
  epoch: v.number(),
  /** Some server has been up on it under this epoch: others may hold its rows. */
  served: v.boolean(),
  /** Whether it was clean when it was installed; counts until `served`. */
  clean: v.boolean(),
  /** Lineage entries of this epoch and above are of promotions that never got a server up. */
  unserved_from: v.optional(v.nullable(v.number()), null),
  /** Rows of another node's history, without the files of its server: those come by archive. */
  taken_over: v.optional(v.boolean(), false),
});

/**
 * What became of the datastore under `server/`: `installed` but never started, `running` (or
 * killed), or `stopped` in order with its commits on the disk.
 */
export type ServerLife = v.InferOutput<typeof shape>;

/** From which epoch on the lineage of that datastore does not count; null when all of it does. */
export const unservedFrom = (life: ServerLife | null): number | null =>
  life === null || life.served ? (life?.unserved_from ?? null) : (life.unserved_from ?? life.epoch);

/** Null when there is none, or when it is torn: then nothing is known. */
export const readServerLife = (path: string): ServerLife | null => {
  if (!existsSync(path)) return null;
  try {
    const parsed = v.safeParse(shape, JSON.parse(readFileSync(path, 'utf8')));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
};

/** Replaced atomically and synced: it decides whether the next start counts as lossy. */
export const writeServerLife = (path: string, life: ServerLife): void => {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.new`;
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(descriptor, `${JSON.stringify(life)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, path);
  syncDirectory(dirname(path));
};
