/**
 * The names under each step of test/PROTOCOL.md, and in the table of bad input of test/README.md,
 * as data.
 *
 * Form of a step: a paragraph that begins with `**N. Title.**`, and a quotation of parts divided by
 * ` · `: `rule …`, `code` (paths in code marks, each followed by the names it must define),
 * `tests` (paths, each followed by titles in “ ”), `mutants` and `cases` (names in code marks).
 */

export interface NamedIn {
  readonly path: string;
  readonly names: readonly string[];
}

export interface Step {
  readonly title: string;
  readonly rules: readonly string[];
  readonly code: readonly NamedIn[];
  readonly tests: readonly NamedIn[];
  readonly mutants: readonly string[];
  readonly cases: readonly string[];
  /** Parts that begin with no known word. */
  readonly unknown: readonly string[];
}

/** Every step in the order of the document. */
export function stepsOf(document: string): Step[] {
  return document
    .split(/^(?=\*\*[A-Z]?\d+\. )/m)
    .filter((text) => /^\*\*[A-Z]?\d+\. /.test(text))
    .map((text) => {
      const quoted = text
        .split('\n')
        .filter((line) => line.startsWith('> '))
        .map((line) => line.slice(2))
        .join(' ');
      const parts = quoted.split(' · ').map((part) => part.trim());
      const of = (kind: string): string =>
        parts
          .filter((part) => part.startsWith(`${kind} `))
          .map((part) => part.slice(kind.length + 1))
          .join(' ');
      return {
        title: /^\*\*(.+?)\*\*/.exec(text)?.[1] ?? '',
        rules: of('rule').match(/\bL\d+\b/g) ?? [],
        code: namedIn(of('code'), /[A-Za-z][A-Za-z0-9]+/g),
        tests: namedIn(of('tests'), titles),
        mutants: marked(of('mutants')),
        cases: marked(of('cases')),
        unknown: parts.filter((part) => !/^(rule|code|tests|mutants|cases) /.test(part)),
      };
    });
}

/** The titles in “ ” after each path in code marks, in the rows of the table under `heading`. */
export function tableOf(
  document: string,
  heading: string,
): { readonly item: string; readonly tests: readonly NamedIn[] }[] {
  const section = document.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((row) => {
      const [, item = '', tests = ''] = row.split(' | ').join('|').split('|');
      return { item: item.trim(), tests: namedIn(tests, titles) };
    });
}

const titles = /(?<=“)[^”]+(?=”)/g;
const marked = (text: string): string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map((at) => at[1] ?? '');

/** Each path in code marks with the names up to the next one. */
const namedIn = (text: string, name: RegExp): NamedIn[] =>
  [...text.matchAll(/`([^`]+)`([^`]*)/g)].map(([, path = '', rest = '']) => ({
    path,
    names: rest.match(name) ?? [],
  }));
