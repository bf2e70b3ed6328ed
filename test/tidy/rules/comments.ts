/**
 * Module headers, and how much of the code is comment. Source: STYLE "Comments".
 */
import { type Finding, linesOf, type Source, type TextFile } from '../source.ts';

const headers: readonly {
  readonly files: RegExp;
  readonly header: RegExp;
  readonly what: string;
}[] = [
  { files: /\.(?:ts|mjs)$/, header: /^(?:#!.*\n)?\/\*\*\s/, what: 'a /** … */ block' },
  {
    files: /\.(?:sh|service|timer|socket|target|conf)$/,
    header: /^(?:#!.*\n)?# \S/,
    what: 'a # line',
  },
];

/** The first thing in a file says what it is for. */
export function moduleHeaders({ path, text }: TextFile): Finding[] {
  const wanted = headers.find(({ files }) => files.test(path));
  if (wanted === undefined || wanted.header.test(text)) return [];
  return [{ rule: 'module-header', path, line: 1, text: `must open with ${wanted.what}` }];
}

const packageComment = /^(?:\/\/go:.*\n+)?\/\/ (?:Package|Command) /;

/** In Go the folder is the module: one of its files opens with the package comment. */
export function packageComments(files: readonly TextFile[]): Finding[] {
  const go = files.filter(({ path }) => path.endsWith('.go'));
  const folder = (path: string): string => path.slice(0, path.lastIndexOf('/'));
  return [...new Set(go.map(({ path }) => folder(path)))]
    .filter((name) => !go.some((one) => folder(one.path) === name && packageComment.test(one.text)))
    .map((path) => ({ rule: 'module-header', path, line: 0, text: 'no package comment' }));
}

/** Share of lines with a comment among all that are not empty, 0 to 1. */
export function commentShare(sources: readonly Source[]): number {
  let comments = 0;
  let lines = 0;
  for (const source of sources) {
    comments += source.commentLines.size;
    lines += linesOf(source.text).filter((line) => line.trim() !== '').length;
  }
  return lines === 0 ? 0 : comments / lines;
}
