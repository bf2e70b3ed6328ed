/**
 * Wakes the stream when the datastore may have changed: a watch on the **directory** `server/db`
 * (the `-wal` file is deleted and made anew at clean stops, a watch on it then sees nothing),
 * one short look-again after each event, and a slow poll as the safety net.
 *
 * The look-again is needed because SQLite writes the WAL, which is what inotify reports, *before*
 * it publishes the commit in shared memory: a reader that is quick sees nothing yet.
 * Never opens a file below the directory: `stat` takes no descriptor.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename } from 'node:path';

/** From a write to the WAL to its commit being visible: microseconds, unless preempted. */
const LOOK_AGAIN_MS = 4;
/** How soon a directory that does not exist yet is found. */
const SEARCH_MS = 500;
/** The safety net under a watch, as rare as the stream's own sign of life. */
const POLL_MS = 2000;

/** Identity of the file, so that a new life of the server is noticed; '' when absent. */
export const fileIdentity = (path: string): string => {
  try {
    const found = statSync(path, { bigint: true });
    return `${found.dev}:${found.ino}`;
  } catch {
    return '';
  }
};

export class DirectoryWatch {
  readonly #directory: string;
  readonly #wake: () => void;
  #watcher: FSWatcher | null = null;
  #watched = '';
  #again: NodeJS.Timeout | null = null;
  /** An event came after the look-again was armed: it may need one of its own. */
  #againAgain = false;
  #soon: NodeJS.Immediate | null = null;
  #poll: NodeJS.Timeout | null = null;

  /** `wake` is called for every possible change, at most once per turn of the event loop. */
  constructor(directory: string, wake: () => void) {
    this.#directory = directory;
    this.#wake = wake;
    this.#look();
  }

  #look(): void {
    this.#attach();
    this.#poll = setTimeout(
      () => {
        this.#look();
        this.#wake();
      },
      this.#watched === '' ? SEARCH_MS : POLL_MS,
    );
  }

  /** A promotion or quarantine puts another directory in place: watch that one. */
  #attach(): void {
    const identity = fileIdentity(this.#directory);
    if (identity === this.#watched) return;
    this.#watcher?.close();
    this.#watcher = null;
    this.#watched = '';
    if (identity === '') return;
    try {
      this.#watcher = watch(this.#directory, (_event, name) => this.#changed(name));
      // An error ends the watch; the poll attaches a new one.
      this.#watcher.on('error', () => {
        this.#watched = '';
      });
      this.#watched = identity;
    } catch {
      // Out of inotify watches, or gone in between: the poll goes on and tries again.
    }
  }

  #changed(name: string | null): void {
    // Readers map the shared-memory file, which is no sign of a write.
    if (name !== null && basename(name).endsWith('-shm')) return;
    this.#soon ??= setImmediate(() => {
      this.#soon = null;
      this.#wake();
    });
    if (this.#again === null) this.#lookAgain();
    else this.#againAgain = true;
  }

  #lookAgain(): void {
    this.#againAgain = false;
    this.#again = setTimeout(() => {
      this.#again = null;
      this.#wake();
      if (this.#againAgain) this.#lookAgain();
    }, LOOK_AGAIN_MS);
  }

  close(): void {
    this.#watcher?.close();
    if (this.#poll !== null) clearTimeout(this.#poll);
    if (this.#again !== null) clearTimeout(this.#again);
    if (this.#soon !== null) clearImmediate(this.#soon);
  }
}
