/**
 * The replica on the disk: written at a change of master, hourly, on battery, at shutdown and
 * before maintenance, because SD cards live on writing rarely; read back after a boot.
 *
 * The copy is made over a connection of its own: SQLite locks a connection while a backup runs,
 * and the stream must not wait for an SD card. Whatever is torn is dropped, never repaired: the
 * stream brings the rest from the last revision on, or a new copy.
 *
 * A node votes without a replica. So nothing that is wrong with the copy ends the start: one that
 * cannot be read is set aside and kept, one that finds no room in RAM waits for it.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { BatonError } from '../../../shared/errors/baton-error.ts';
import type { StreamFinding } from '../../stream/api.ts';
import { syncDirectory } from './durable.ts';
import type { ReplicaStore } from './replica.ts';
import { ensureRoom } from './room.ts';
import { datastoreError } from './sqlite-errors.ts';

/** One step however many pages: SQLite reads one snapshot, writers go on in the WAL. */
const ALL_PAGES = 1_000_000_000;
/** Said of the file itself. Everything else may pass: no room, no descriptor, no permission. */
const UNREADABLE: readonly string[] = ['input-output', 'file-kind-wrong'];
const ASIDE = /^replica\.aside-(\d+)\.db$/;

export class SavedReplica {
  readonly #directory: string;
  readonly #path: string;
  #line: Promise<void> = Promise.resolve();
  #saved = -1;
  #unreadable: StreamFinding | null = null;
  /** One that nothing is known against, and that something newer took the place of. */
  #kept: StreamFinding | null = null;
  /** Why it was not put into RAM although it may be sound; null when there is no such one. */
  #waiting: BatonError | null = null;
  /** Found at the start, or set aside since. */
  #hasAside: boolean;

  constructor(stateDirectory: string) {
    this.#directory = stateDirectory;
    this.#path = `${stateDirectory}/replica.db`;
    this.#hasAside = this.#lastAside() > 0;
  }

  /** After a boot: puts the saved replica where RAM has none. True when there was one. */
  loadInto(replicaPath: string): boolean {
    if (existsSync(replicaPath) || !existsSync(this.#path)) return false;
    // Half a copy under the final name would pass for the replica at the next start.
    const loading = `${replicaPath}.loading`;
    try {
      this.#lookForRoom(loading);
      copyFileSync(this.#path, loading);
      renameSync(loading, replicaPath);
      return true;
    } catch (error) {
      rmSync(loading, { force: true });
      this.#notLoaded(error);
      return false;
    }
  }

  /** For one that waits; `path` is in RAM. Errors: as those that kept it back. */
  async loadAgain(path: string): Promise<void> {
    try {
      this.#lookForRoom(path);
      await copyFile(this.#path, path);
    } catch (error) {
      throw this.#notLoaded(error);
    }
  }

  /** Errors: `disk-full`, whatever is wrong there: nothing is known against the saved file. */
  #lookForRoom(path: string): void {
    const { size } = statSync(this.#path);
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      ensureRoom(dirname(path), size);
    } catch (error) {
      const { message } = datastoreError(error, 'hold it there');
      throw new BatonError('disk-full', 'operational', message, { cause: error });
    }
  }

  #notLoaded(error: unknown): BatonError {
    const mapped = datastoreError(error, 'read it');
    if (UNREADABLE.includes(mapped.code)) this.setAside(mapped.message);
    else this.#waiting = mapped;
    return mapped;
  }

  /** RAM holds no rows. An agent that starts again finds an empty file there, and waits on. */
  missedIn(directory: string): void {
    if (this.#waiting !== null || !existsSync(this.#path)) return;
    const words = `${directory} holds an empty one`;
    this.#waiting = new BatonError('datastore-failed', 'operational', words);
  }

  /** It is damaged, or cannot be read. Where it cannot be renamed either it stays. */
  setAside(why: string): void {
    this.#waiting = null;
    this.#hasAside = true;
    let kept = this.#path;
    try {
      kept = this.#moveAside();
    } catch {
      // A card that takes no rename: told below by the name that it has.
    }
    this.#unreadable = {
      code: 'replica-damaged',
      text:
        `The saved replica cannot be read (${why}). It is kept as ${kept}, and a new copy is ` +
        'fetched from the master; until then this node cannot take over. Check the disk.',
    };
  }

  /** Its new name. */
  #moveAside(): string {
    const aside = `${this.#directory}/replica.aside-${this.#lastAside() + 1}.db`;
    renameSync(this.#path, aside);
    syncDirectory(this.#directory);
    return aside;
  }

  /** Something newer comes in its place: nobody has read the rows that never came into memory. */
  #makeWay(): void {
    this.#unreadable = null;
    if (this.#waiting === null) return;
    const kept = this.#moveAside();
    this.#waiting = null;
    this.#hasAside = true;
    this.#kept = {
      code: 'replica-failed',
      text:
        'The saved replica found no room in memory until a newer history came. It is kept as ' +
        `${kept}: remove it when nothing in it is missed.`,
    };
  }

  /** Number of the one that was set aside last, 0 when there is none. */
  #lastAside(): number {
    if (!existsSync(this.#directory)) return 0;
    const numbers = readdirSync(this.#directory).map((name) => Number(ASIDE.exec(name)?.[1] ?? 0));
    return Math.max(0, ...numbers);
  }

  /** Whether it may be sound and only found no room. */
  waits(): boolean {
    return this.#waiting !== null;
  }

  /**
   * Whether rows of this node are on the disk that are not in RAM. "Nothing" would be untrue then:
   * where all others are empty, an empty cluster would begin.
   */
  isLacking(): boolean {
    return this.#hasAside || this.waits();
  }

  /** `isMissed`: RAM holds no rows, so those on the disk are all that there are. */
  findings(isMissed: boolean): readonly StreamFinding[] {
    const waiting = this.#waiting === null ? null : waitingFinding(this.#waiting);
    const found = isMissed ? [this.#kept, this.#unreadable, waiting] : [this.#kept];
    return found.filter((finding) => finding !== null);
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
      this.#makeWay();
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
    this.#makeWay();
    rmSync(this.#path, { force: true });
    this.#saved = -1;
  }
}

const waitingFinding = ({ message }: BatonError): StreamFinding => ({
  code: 'replica-failed',
  text:
    `The saved replica is not in memory: ${message}. It is tried again until a master is ` +
    'followed; until then this node cannot take over, and votes as before. Make room there.',
});

const sync = (path: string): void => {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
};
