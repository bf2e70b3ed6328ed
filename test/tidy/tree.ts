/**
 * The files of the project: what git tracks or would track, else (an unpacked archive) whatever
 * lies there outside of the folders that are never tracked.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

const untracked = new Set(['.git', 'node_modules', 'dist', 'coverage']);

/** Paths from the root with `/`, sorted. */
export function projectPaths(): string[] {
  const git = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  const all = git.status === 0 ? git.stdout.split('\0').filter((path) => path !== '') : walk('');
  return [...new Set(all)].filter((path) => existsSync(join(root, path))).sort();
}

function walk(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return untracked.has(entry.name) ? [] : walk(path);
    return [path];
  });
}

export const readProject = (path: string): string | null => {
  const full = join(root, path);
  return existsSync(full) && statSync(full).isFile() ? readFileSync(full, 'utf8') : null;
};

export const existsInProject = (path: string): boolean => existsSync(join(root, path));
