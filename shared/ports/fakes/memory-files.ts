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
  const visible = new Map<string, Stored>();
  const durable = new Map<string, Stored>();
  const directories = new Set<string>(['/']);
  let isFull = false;
  let syncFails = false;
  let keepCharacters: number | null = null;

  const addDirectory = (path: string, attempt: string): void => {
    for (let part = path; ; part = posix.dirname(part)) {
      if (visible.has(part)) throw failure('file-kind-wrong', attempt, path);
      if (part === '/' || part === '.') break;
    }
    for (let part = path; part !== '/' && part !== '.'; part = posix.dirname(part)) {
      directories.add(part);
    }
  };
  const checkParent = (path: string, attempt: string): void => {
    const parent = posix.dirname(path);
    if (directories.has(parent)) return;
    for (let part = parent; part !== '/' && part !== '.'; part = posix.dirname(part)) {
      if (visible.has(part)) throw failure('file-kind-wrong', attempt, path);
    }
    throw failure('file-missing', attempt, path);
  };
  const isIn = (directory: string) => (path: string) =>
    path !== '/' && posix.dirname(path) === directory;

  const write: Files['write'] = (path, text, options) => {
    checkParent(path, 'write');
    if (directories.has(path)) throw failure('file-kind-wrong', 'write', path);
    if (isFull) throw failure('disk-full', 'write', path);
    if (options.sync && syncFails) throw failure('input-output', 'sync', path);
    const kept = keepCharacters === null ? text : text.slice(0, keepCharacters);
    keepCharacters = null;
    const stored = { text: kept, mode: options.mode ?? visible.get(path)?.mode ?? 0o644 };
    visible.set(path, stored);
    if (!options.sync) return;
    durable.set(path, stored);
    // The directory's own sync takes along every removal in it.
    const siblings = [...durable.keys()].filter(isIn(posix.dirname(path)));
    for (const sibling of siblings) if (!visible.has(sibling)) durable.delete(sibling);
  };

  for (const [path, text] of Object.entries(start)) {
    addDirectory(posix.dirname(path), 'make directory');
    write(path, text, { sync: true });
  }
  return {
    read: (path) => {
      if (directories.has(path)) throw failure('file-kind-wrong', 'read', path);
      return visible.get(path)?.text ?? null;
    },
    write,
    remove: (path) => {
      if (directories.has(path)) throw failure('file-kind-wrong', 'remove', path);
      visible.delete(path);
    },
    exists: (path) => visible.has(path) || directories.has(path),
    list: (directory) => {
      if (visible.has(directory)) throw failure('file-kind-wrong', 'list', directory);
      if (!directories.has(directory)) throw failure('file-missing', 'list', directory);
      const paths = [...visible.keys(), ...directories].filter(isIn(directory));
      return paths.map((path) => posix.basename(path)).sort();
    },
    makeDirectory: (path) => addDirectory(path, 'make directory'),
    full: (yes) => {
      isFull = yes;
    },
    failSync: (yes) => {
      syncFails = yes;
    },
    tearNextWrite: (characters) => {
      keepCharacters = characters;
    },
    powerCut: () => {
      visible.clear();
      for (const [path, stored] of durable) visible.set(path, stored);
    },
    mode: (path) => visible.get(path)?.mode ?? null,
    get texts() {
      return new Map([...visible].map(([path, { text }]) => [path, text]));
    },
  };
}
