/**
 * Writes the files of a verified archive where k3s looks for them, each replaced atomically and
 * synced. Files that an earlier archive brought and this one no longer has are removed; files
 * that a person put there are not.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { type ArchivePlaces, realPath } from './collect.ts';
import { type ArchivedFile, mayTravel } from './manifest.ts';

/** Replaces a file; synced with its directory entry's rename following the data. */
export const replaceFile = (path: string, data: Uint8Array | string, mode: number): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.baton-new`;
  rmSync(temporary, { force: true });
  const descriptor = openSync(temporary, 'wx', mode);
  try {
    writeFileSync(descriptor, data);
    fchmodSync(descriptor, mode);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, path);
};

const listShape = v.array(v.pipe(v.string(), v.check(mayTravel)));

/** Paths (as in the archive) that the last installation wrote; empty when unknown. */
const lastInstalled = (record: string): readonly string[] => {
  if (!existsSync(record)) return [];
  try {
    const parsed = v.safeParse(listShape, JSON.parse(readFileSync(record, 'utf8')));
    return parsed.success ? parsed.output : [];
  } catch {
    // Torn: then old files stay, which is the harmless side.
    return [];
  }
};

export const putInPlace = (
  files: readonly ArchivedFile[],
  places: ArchivePlaces,
  record: string,
): void => {
  const now = new Set(files.map((file) => file.path));
  for (const path of lastInstalled(record)) {
    if (!now.has(path)) rmSync(realPath(places, path), { force: true });
  }
  // Noted first: what is written half-way is then known as ours.
  replaceFile(record, JSON.stringify([...now]), 0o600);
  for (const { path, mode, data } of files) replaceFile(realPath(places, path), data, mode);
};
