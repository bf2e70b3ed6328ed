/**
 * Finds and reads the files of an archive. Regular files only: links, sockets and devices stay.
 *
 * Never touches `server/db`: one descriptor closed there would drop SQLite's locks in this
 * process (measured). A fingerprint of sizes and times tells whether anything has changed, so
 * that an unchanged tree is not read again.
 */
import { lstatSync, readdirSync, readFileSync, type Stats } from 'node:fs';
import { type ArchivedFile, mayTravel, TOKEN_PATH } from './manifest.ts';

export interface ArchivePlaces {
  readonly k3sDataDirectory: string;
  readonly k3sConfigDirectory: string;
  readonly tokenFile: string;
}

interface Found {
  readonly path: string;
  readonly real: string;
  readonly stats: Stats;
}

/** Where a path of an archive lies on this node. */
export const realPath = (places: ArchivePlaces, path: string): string => {
  if (path === TOKEN_PATH) return places.tokenFile;
  const slash = path.indexOf('/');
  const rest = path.slice(slash + 1);
  return path.startsWith('server/')
    ? `${places.k3sDataDirectory}/server/${rest}`
    : `${places.k3sConfigDirectory}/${rest}`;
};

const statOf = (real: string): Stats | null => lstatSync(real, { throwIfNoEntry: false }) ?? null;

const walk = (real: string, path: string, found: Found[]): void => {
  if (statOf(real)?.isDirectory() !== true) return;
  for (const name of readdirSync(real).sort()) {
    const below = `${path}/${name}`;
    // Asked before anything below is looked at: `server/db` is never even listed.
    if (!mayTravel(below)) continue;
    const stats = statOf(`${real}/${name}`);
    if (stats?.isDirectory() === true) walk(`${real}/${name}`, below, found);
    else if (stats?.isFile() === true) found.push({ path: below, real: `${real}/${name}`, stats });
  }
};

/** Every file that belongs into the archive now. */
export const findFiles = (places: ArchivePlaces): readonly Found[] => {
  const found: Found[] = [];
  walk(`${places.k3sDataDirectory}/server`, 'server', found);
  walk(places.k3sConfigDirectory, 'config', found);
  const inside = found.some((file) => file.real === places.tokenFile);
  const token = statOf(places.tokenFile);
  if (!inside && token?.isFile() === true) {
    found.push({ path: TOKEN_PATH, real: places.tokenFile, stats: token });
  }
  return found;
};

/** Changes whenever a file was written, replaced, added or removed. */
export const fingerprint = (found: readonly Found[]): string =>
  found
    .map(({ path, stats }) => `${path} ${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.mode}`)
    .join('\n');

export const readFiles = (found: readonly Found[]): ArchivedFile[] =>
  found.map(({ path, real, stats }) => ({
    path,
    mode: stats.mode & 0o777,
    data: readFileSync(real),
  }));
