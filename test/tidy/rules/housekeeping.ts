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
/** What a section of the list tells; how it was found may be a seed, a lab test or a person. */
const parts = [/\*\*What\*\*/, /\*\*(?:Seeds?|Found by)\*\*/, /\*\*Fix\*\*/, /\*\*Test\*\*/];

/** Each section (`## …`) has its parts, and its **Test** names a test file that is there. */
export function bugSections(
  { path, text }: TextFile,
  read: (path: string) => string | null,
): Finding[] {
  const rule = 'bug-sections';
  const lines = text.split('\n');
  const starts = lines.flatMap((line, at) => (line.startsWith('## ') ? [at] : []));
  return starts.flatMap((start, at): Finding[] => {
    const section = lines.slice(start, starts[at + 1]).join('\n');
    const found = (words: string): Finding[] => [{ rule, path, line: start + 1, text: words }];
    const absent = parts.filter((part) => !part.test(section));
    if (absent.length > 0) return found(`has no ${absent.map(({ source }) => source).join(', ')}`);
    const files = section.slice(section.indexOf('**Test**')).match(testPath) ?? [];
    if (files.length === 0) return found('names no test file');
    const missing = files.filter((file) => read(file) === null);
    return missing.length > 0 ? found(`${missing.join(', ')} is not there`) : [];
  });
}
