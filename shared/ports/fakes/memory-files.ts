/**
 * Small files in memory, with a disk that can be full, fail to sync, lie, or lose its power.
 *
 * Keeps two states, as a disk does: what programs see, and what survives a power cut (synced
 * writes only; a removal counts once a later synced write in the directory has taken it along).
 * Paths are absolute, `/`-separated and taken as they are. Behaves like
 * shared/adapters/system-files.ts: test/contract/files.test.ts runs one suite against both.
 */
import { posix } from 'node:path';
import { BatonError } from '../../errors/baton-error.ts';
import type { ErrorCode } from '../../errors/registry.ts';
import type { Files } from '../files.ts';

interface Stored {
  readonly text: string;
  readonly mode: number;
}

export interface MemoryFiles extends Files {
  /** Every write fails with `disk-full` while true; removing and reading go on. */
  full(yes: boolean): void;
  /** Every synced write fails with `input-output` while true; unsynced ones go through. */
  failSync(yes: boolean): void;
  /** The next write keeps its first `characters` only and reports success: a card that lies. */
  tearNextWrite(characters: number): void;
  /** Back to what was synced: unsynced writes are gone. */
  powerCut(): void;
  /** Permission bits of a file, or null. */
  mode(path: string): number | null;
  /** Every file with its text, for a look in tests. */
  readonly texts: ReadonlyMap<string, string>;
}

const failure = (code: ErrorCode, attempt: string, path: string): BatonError =>
  new BatonError(code, 'operational', `cannot ${attempt} ${path}: ${code} (memory files)`, {
    context: { path, errno: null },
  });

/** The files a node has at the start are taken as synced. */
export function memoryFiles(start: Readonly<Record<string, string>> = {}): MemoryFiles {
  return new FilesInMemory(start);
}

const isIn = (directory: string) => (path: string) =>
  path !== '/' && posix.dirname(path) === directory;

class FilesInMemory implements MemoryFiles {
  readonly #visible = new Map<string, Stored>();
  readonly #durable = new Map<string, Stored>();
  readonly #directories = new Set<string>(['/']);
  #isFull = false;
  #syncFails = false;
  #keepCharacters: number | null = null;

  constructor(start: Readonly<Record<string, string>>) {
    for (const [path, text] of Object.entries(start)) {
      this.makeDirectory(posix.dirname(path));
      this.write(path, text, { sync: true });
    }
  }

  get texts(): ReadonlyMap<string, string> {
    return new Map([...this.#visible].map(([path, { text }]) => [path, text]));
  }

  read(path: string): string | null {
    if (this.#directories.has(path)) throw failure('file-kind-wrong', 'read', path);
    return this.#visible.get(path)?.text ?? null;
  }

  write(path: string, text: string, options: Parameters<Files['write']>[2]): void {
    this.#checkParent(path, 'write');
    if (this.#directories.has(path)) throw failure('file-kind-wrong', 'write', path);
    if (this.#isFull) throw failure('disk-full', 'write', path);
    if (options.sync && this.#syncFails) throw failure('input-output', 'sync', path);
    const kept = this.#keepCharacters === null ? text : text.slice(0, this.#keepCharacters);
    this.#keepCharacters = null;
    const stored = { text: kept, mode: options.mode ?? this.mode(path) ?? 0o644 };
    this.#visible.set(path, stored);
    if (!options.sync) return;
    this.#durable.set(path, stored);
    // The directory's own sync takes along every removal in it.
    const siblings = [...this.#durable.keys()].filter(isIn(posix.dirname(path)));
    for (const sibling of siblings) if (!this.#visible.has(sibling)) this.#durable.delete(sibling);
  }

  remove(path: string): void {
    if (this.#directories.has(path)) throw failure('file-kind-wrong', 'remove', path);
    this.#visible.delete(path);
  }

  exists(path: string): boolean {
    return this.#visible.has(path) || this.#directories.has(path);
  }

  list(directory: string): string[] {
    if (this.#visible.has(directory)) throw failure('file-kind-wrong', 'list', directory);
    if (!this.#directories.has(directory)) throw failure('file-missing', 'list', directory);
    const paths = [...this.#visible.keys(), ...this.#directories].filter(isIn(directory));
    return paths.map((path) => posix.basename(path)).sort();
  }

  makeDirectory(path: string): void {
    for (let part = path; ; part = posix.dirname(part)) {
      if (this.#visible.has(part)) throw failure('file-kind-wrong', 'make directory', path);
      if (part === '/' || part === '.') break;
    }
    for (let part = path; part !== '/' && part !== '.'; part = posix.dirname(part)) {
      this.#directories.add(part);
    }
  }

  full(yes: boolean): void {
    this.#isFull = yes;
  }

  failSync(yes: boolean): void {
    this.#syncFails = yes;
  }

  tearNextWrite(characters: number): void {
    this.#keepCharacters = characters;
  }

  powerCut(): void {
    this.#visible.clear();
    for (const [path, stored] of this.#durable) this.#visible.set(path, stored);
  }

  mode(path: string): number | null {
    return this.#visible.get(path)?.mode ?? null;
  }

  #checkParent(path: string, attempt: string): void {
    const parent = posix.dirname(path);
    if (this.#directories.has(parent)) return;
    for (let part = parent; part !== '/' && part !== '.'; part = posix.dirname(part)) {
      if (this.#visible.has(part)) throw failure('file-kind-wrong', attempt, path);
    }
    throw failure('file-missing', attempt, path);
  }
}
