/**
 * The replica on the disk: written at a change of master, hourly, on battery, at shutdown and
 * before maintenance, because SD cards live on writing rarely; read back after a boot.
 *
 * The copy is made over a connection of its own: SQLite locks a connection while a backup runs,
 * and the stream must not wait for an SD card. Whatever is torn is dropped, never repaired: the
 * stream brings the rest from the last revision on, or a new copy.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { syncDirectory } from './durable.ts';
import type { ReplicaStore } from './replica.ts';
import { datastoreError } from './sqlite-errors.ts';

/** One step however many pages: SQLite reads one snapshot, writers go on in the WAL. */
const ALL_PAGES = 1_000_000_000;

export class SavedReplica {
  readonly #directory: string;
  readonly #path: string;
  #line: Promise<void> = Promise.resolve();
  #saved = -1;

  constructor(stateDirectory: string) {
    this.#directory = stateDirectory;
    this.#path = `${stateDirectory}/replica.db`;
  }

  /** After a boot: puts the saved replica where RAM has none. True when there was one. */
  loadInto(replicaPath: string): boolean {
    if (existsSync(replicaPath) || !existsSync(this.#path)) return false;
    // Half a copy under the final name would pass for the replica at the next start.
    const loading = `${replicaPath}.loading`;
    copyFileSync(this.#path, loading);
    renameSync(loading, replicaPath);
    return true;
  }

  /** One save at a time; nothing is written when no revision has come since the last one. */
  save(replica: ReplicaStore): Promise<void> {
    const run = this.#line.then(() => this.#write(replica));
    this.#line = run.catch(() => undefined);
    return run;
  }

  async #write(replica: ReplicaStore): Promise<void> {
    const { revision } = replica.cursor();
    if (revision === 0 || revision === this.#saved) return;
    const temporary = `${this.#path}.new`;
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      rmSync(temporary, { force: true });
      // A damaged one would take the place of the last good copy.
      await replica.checked();
      if (replica.open().damage !== null) throw replica.open().damage;
      const source = new DatabaseSync(replica.open().path, { readOnly: true, timeout: 1000 });
      try {
        await backup(source, temporary, { rate: ALL_PAGES });
      } finally {
        source.close();
      }
      sync(temporary);
      renameSync(temporary, this.#path);
      syncDirectory(this.#directory);
      this.#saved = revision;
    } catch (error) {
      rmSync(temporary, { force: true });
      throw datastoreError(error, 'save the replica to the disk');
    }
  }

  /** The server's own files are on the disk now, and newer. */
  remove(): void {
    rmSync(this.#path, { force: true });
    this.#saved = -1;
  }
}

const sync = (path: string): void => {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
};
