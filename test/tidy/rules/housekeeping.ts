/**
 * What does not belong into the tree, and whether the list of bugs keeps its word.
 * Source: STYLE "Tests" (test/BUGS.md: what, found by, fixed where, which test keeps it fixed).
 */
import type { Finding, TextFile } from '../source.ts';

const litterNames = [
  /(?:^|\/)(?:dist|node_modules|coverage|\.vitest)\//,
  /(?:\.(?:orig|rej|bak|swp|tmp|log|pid|tgz|db|db-wal|db-shm)|~)$/,
  /(?:^|\/)(?:core|\.DS_Store|nohup\.out)$/,
];

/** Left-overs of tools and editors, build results, databases, empty files. */
export function litter(paths: readonly string[], isEmpty: (path: string) => boolean): Finding[] {
  const rule = 'litter';
  return paths.flatMap((path) => {
    if (litterNames.some((name) => name.test(path)))
      return [{ rule, path, line: 0, text: 'is a left-over' }];
    return isEmpty(path) ? [{ rule, path, line: 0, text: 'is empty' }] : [];
  });
}

const testPath = /\btest\/[\w./-]+\.test\.ts\b/g;
const quotedTitle = /[“"]([^”"]+)[”"]\s*\|?\s*$/;

/** Each row of the table names a test file that is there, and its title when it quotes one. */
export function bugRows(
  { path, text }: TextFile,
  read: (path: string) => string | null,
): Finding[] {
  const rule = 'bug-rows';
  const rows = text
    .split('\n')
    .map((line, at) => ({ line, at: at + 1 }))
    .filter(({ line }) => line.startsWith('|') && !/^\|[\s:|-]+$/.test(line))
    .slice(1);
  return rows.flatMap(({ line, at }): Finding[] => {
    const files = line.match(testPath) ?? [];
    if (files.length === 0) return [{ rule, path, line: at, text: 'names no test file' }];
    const missing = files.filter((file) => read(file) === null);
    if (missing.length > 0) {
      return [{ rule, path, line: at, text: `${missing.join(', ')} is not there` }];
    }
    const title = quotedTitle.exec(line)?.[1];
    const known = title === undefined || files.some((file) => read(file)?.includes(title));
    return known ? [] : [{ rule, path, line: at, text: `no test is called “${title}”` }];
  });
}
