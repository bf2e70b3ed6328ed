/**
 * A machine's disk: one ext4 file system in one file, mounted through a loop device. The machine's
 * root is an overlay whose writable layer lies on it.
 *
 * A power cut copies the file **while it is still mounted**: what the machine never synced is in
 * the file system's memory, not in the file, so the copy holds what a card would hold. Then the
 * mount is given up and the next boot runs from the copy, journal replay included.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { run, runAside, tryRun } from './host.ts';

/** Sparse: room for a datastore and its copies, not what the file takes. */
const SIZE = '768M';
/** Filled piece by piece, as far as it goes. */
const TABLES = 16 * 1024 * 1024;
const CHUNK = new Uint8Array(64 * 1024);

export class Disk {
  readonly #image: string;
  readonly #mount: string;
  readonly #lower: readonly string[];
  /** Where the machine's root is while the disk is attached. */
  readonly root: string;

  /** `lower`: read-only trees below the disk's own files, uppermost first. */
  constructor(folder: string, lower: readonly string[]) {
    this.#image = join(folder, 'disk.img');
    this.#mount = join(folder, 'disk');
    this.root = join(folder, 'root');
    this.#lower = lower;
    for (const place of [this.#mount, this.root]) mkdirSync(place, { recursive: true });
  }

  /** A new, empty disk: a card that nobody has written to. */
  format(): void {
    rmSync(this.#image, { force: true });
    run('truncate', ['--size', SIZE, this.#image]);
    run('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1,lazy_journal_init=1', this.#image]);
  }

  /** Mounts it; a journal that was left open is replayed by the kernel. */
  attach(): void {
    run('mount', ['-t', 'ext4', '-o', 'loop', this.#image, this.#mount]);
    const [upper, work] = ['upper', 'work'].map((name) => join(this.#mount, name));
    for (const folder of [upper, work]) mkdirSync(folder as string, { recursive: true });
    const layers = `lowerdir=${this.#lower.join(':')},upperdir=${upper},workdir=${work}`;
    run('mount', ['-t', 'overlay', 'overlay', '-o', layers, this.root]);
  }

  /** Orderly: everything is written. */
  detach(): void {
    tryRun('umount', [this.root]);
    tryRun('umount', [this.#mount]);
  }

  /** The card takes nothing more (true), or goes on; whoever writes waits meanwhile. */
  stall(stalled: boolean): void {
    run('fsfreeze', [stalled ? '--freeze' : '--unfreeze', this.#mount]);
  }

  /** Leaves so many bytes free, also to root; null: takes that back. */
  fill(leave: number | null): void {
    const filler = join(this.#mount, 'filler');
    rmSync(filler, { force: true });
    if (leave === null) return;
    const { bfree, bsize } = statfsSync(this.#mount);
    // What the file system keeps for its own tables is not known beforehand.
    run('fallocate', ['--length', String(Math.max(bsize, bfree * bsize - TABLES)), filler]);
    const file = openSync(filler, 'a');
    try {
      while (writeSync(file, CHUNK) > 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      ftruncateSync(file, fstatSync(file).size - leave);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  /** What is on the disk at this moment and no more. The machine must be dead already. */
  async loseUnsynced(): Promise<void> {
    const copy = `${this.#image}.copy`;
    await runAside('cp', ['--sparse=always', this.#image, copy]);
    this.detach();
    renameSync(copy, this.#image);
  }
}
