/**
 * A source file as the rules of tidy see it: text, syntax tree, and its code without words.
 *
 * The tree comes from rolldown's parser (TypeScript 7 offers its own tree only through a child
 * process and calls that unstable). A file that does not parse is a finding, not a crash.
 */
import { type ESTree, parseSync, Visitor, type VisitorObject } from 'rolldown/utils';

/** One breach of one rule. `line` counts from 1; 0 is the file as a whole. */
export interface Finding {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

/** A text file of the tree, by its path from the root, with `/` as separator. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** Stands for the target of `import(…)` where it is not a literal. */
export const COMPUTED = '(computed)';

/** What a file imports or exports again from elsewhere. */
export interface Import {
  readonly from: string;
  readonly line: number;
  /** Nothing is left of it at run time. */
  readonly typeOnly: boolean;
}

export interface Source extends TextFile {
  readonly program: ESTree.Program;
  readonly imports: readonly Import[];
  /** Lines that hold a comment, wholly or in part. */
  readonly commentLines: ReadonlySet<number>;
  /** The text with comments, strings and patterns blanked; same length, same lines. */
  readonly code: string;
  /** The string literals, each with its line. */
  readonly strings: readonly { readonly value: string; readonly line: number }[];
  lineOf(offset: number): number;
}

export type Parsed =
  | { readonly ok: true; readonly source: Source }
  | { readonly ok: false; readonly finding: Finding };

export function parseSource({ path, text }: TextFile): Parsed {
  const { program, comments, module, errors } = parseSync(path, text);
  const [error] = errors;
  if (error !== undefined) {
    const finding = { rule: 'parses', path, line: 0, text: error.message };
    return { ok: false, finding };
  }
  const lineOf = lineFinder(text);
  const words: { start: number; end: number }[] = [...comments];
  const strings: { value: string; line: number }[] = [];
  const dynamic: Import[] = [];
  visit(program, {
    Literal: (node) => {
      if (typeof node.value === 'string') {
        strings.push({ value: node.value, line: lineOf(node.start) });
      }
      if (typeof node.value === 'string' || 'regex' in node) words.push(node);
    },
    TemplateElement: (node) => {
      strings.push({ value: node.value.raw, line: lineOf(node.start) });
      words.push(node);
    },
    ImportExpression: (node) => {
      const from = node.source.type === 'Literal' ? String(node.source.value) : COMPUTED;
      dynamic.push({ from, line: lineOf(node.start), typeOnly: false });
    },
  });
  const commentLines = new Set<number>();
  for (const comment of comments) {
    for (let at = lineOf(comment.start); at <= lineOf(comment.end - 1); at += 1) {
      commentLines.add(at);
    }
  }
  const imports = [...staticImports(module, lineOf), ...dynamic];
  const code = blanked(text, words);
  return {
    ok: true,
    source: { path, text, program, imports, commentLines, code, strings, lineOf },
  };
}

export const visit = (program: ESTree.Program, visitor: VisitorObject): void =>
  new Visitor(visitor).visit(program);

type Module = ReturnType<typeof parseSync>['module'];

function staticImports(module: Module, lineOf: (offset: number) => number): Import[] {
  const imported = module.staticImports.map((one) => ({
    from: one.moduleRequest.value,
    line: lineOf(one.start),
    typeOnly: one.entries.length > 0 && one.entries.every((entry) => entry.isType),
  }));
  const again = module.staticExports.flatMap((one) =>
    one.entries.flatMap((entry) =>
      entry.moduleRequest === null
        ? []
        : [{ from: entry.moduleRequest.value, line: lineOf(one.start), typeOnly: entry.isType }],
    ),
  );
  return [...imported, ...again];
}

/** Replaces the given ranges by blanks; line ends stay. */
function blanked(text: string, ranges: readonly { start: number; end: number }[]): string {
  let code = '';
  let at = 0;
  for (const { start, end } of [...ranges].sort((one, other) => one.start - other.start)) {
    if (start < at) continue;
    code += text.slice(at, start) + text.slice(start, end).replaceAll(/[^\n]/g, ' ');
    at = end;
  }
  return code + text.slice(at);
}

/** Offset to line number, counted from 1. */
function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

/** Lines as people count them: a line end at the end opens no further line. */
export const linesOf = (text: string): string[] => text.replace(/\n$/, '').split('\n');

/** Every match of `pattern` (global) in the code as a finding. */
export const findInCode = (
  source: Source,
  rule: string,
  pattern: RegExp,
  words: (match: string) => string,
): Finding[] =>
  [...source.code.matchAll(pattern)].map((match) => ({
    rule,
    path: source.path,
    line: source.lineOf(match.index),
    text: words(match[0].trim()),
  }));
