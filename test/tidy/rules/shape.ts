/**
 * Sizes and names: how long files, functions and lines may be, and how files are called.
 * Source: STYLE "Size" and "Names"; units and scripts: "Units and image".
 */
import type { ESTree } from 'rolldown/utils';
import { type Finding, linesOf, type Source, type TextFile, visit } from '../source.ts';

const MEDIAN_LINES = 150;
const MOST_LINES = 400;
const ANY_LINES = 500;
const FUNCTION_LINES = 70;
const COLUMNS = 100;
const SCRIPT_LINES = 50;
const DEADMAN_LINES = 60;
const UNIT_LINES = 40;
const EXCEPTIONS = 3;

export interface Exception {
  readonly path: string;
  /** Why this file may be longer; a sentence. */
  readonly reason: string;
}

/** Median, 90 % and longest file; the exceptions must be few, needed and explained. */
export function fileLengths(
  files: readonly TextFile[],
  exceptions: readonly Exception[],
): Finding[] {
  const rule = 'file-length';
  const sized = files
    .map(({ path, text }) => ({ path, lines: linesOf(text).length }))
    .sort((one, other) => one.lines - other.lines);
  const whole = (text: string): Finding => ({ rule, path: '.', line: 0, text });
  const findings: Finding[] = [];
  const at = (share: number): number => sized[Math.ceil(sized.length * share) - 1]?.lines ?? 0;
  if (at(0.5) > MEDIAN_LINES) findings.push(whole(`the median is ${at(0.5)} > ${MEDIAN_LINES}`));
  if (at(0.9) > MOST_LINES) findings.push(whole(`90 % reach ${at(0.9)} > ${MOST_LINES} lines`));
  if (exceptions.length > EXCEPTIONS) findings.push(whole(`more than ${EXCEPTIONS} exceptions`));
  for (const { path, lines } of sized) {
    const excepted = exceptions.some((exception) => exception.path === path);
    if (lines > ANY_LINES && !excepted) {
      findings.push({ rule, path, line: 0, text: `${lines} lines > ${ANY_LINES}` });
    }
  }
  for (const { path, reason } of exceptions) {
    const lines = sized.find((one) => one.path === path)?.lines ?? 0;
    if (lines <= ANY_LINES) findings.push({ rule, path, line: 0, text: 'needs no exception' });
    if (reason.length < 20) findings.push({ rule, path, line: 0, text: 'gives no reason' });
  }
  return findings;
}

/**
 * Functions of at most 70 lines, with everything inside: what makes an adapter out of closures is
 * a class, or more than one function. The block of a `describe` is a chapter, not a function.
 */
export function functionLengths(source: Source): Finding[] {
  const chapters = new Set<ESTree.Node>();
  const findings: Finding[] = [];
  const look = (node: ESTree.Function | ESTree.ArrowFunctionExpression): void => {
    const line = source.lineOf(node.start);
    const lines = source.lineOf(node.end - 1) - line + 1;
    if (lines <= FUNCTION_LINES || chapters.has(node)) return;
    const text = `a function of ${lines} lines > ${FUNCTION_LINES}`;
    findings.push({ rule: 'function-length', path: source.path, line, text });
  };
  visit(source.program, {
    // Seen before its arguments.
    CallExpression: (node) => {
      const callee = source.text.slice(node.callee.start, node.callee.end);
      if (!/^describe\b/.test(callee)) return;
      for (const argument of node.arguments) chapters.add(argument);
    },
    FunctionDeclaration: look,
    FunctionExpression: look,
    ArrowFunctionExpression: look,
  });
  return findings;
}

export const lineLengths = ({ path, text }: TextFile): Finding[] =>
  linesOf(text).flatMap((line, at) => {
    const columns = [...line].length;
    const words = `${columns} columns > ${COLUMNS}`;
    return columns > COLUMNS ? [{ rule: 'line-length', path, line: at + 1, text: words }] : [];
  });

const kebab = /^\.?[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*$/;
/** Documents that everybody looks for under these names. */
const document = /^[A-Z]+(?:\.md)?$/;
/** Go decides by these endings what is a test. */
const goTest = /^[a-z0-9]+(?:_[a-z0-9]+)*_test\.go$/;

/** kebab-case for files and folders. */
export function fileNames(paths: readonly string[]): Finding[] {
  return paths.flatMap((path) => {
    const names = path.split('/');
    const file = names.pop() ?? '';
    const wrong = names.filter((name) => !kebab.test(name));
    if (!kebab.test(file) && !document.test(file) && !goTest.test(file)) wrong.push(file);
    const text = `not kebab-case: ${wrong.join(', ')}`;
    return wrong.length > 0 ? [{ rule: 'file-name', path, line: 0, text }] : [];
  });
}

/** What a Pi runs or systemd reads: short enough to be read before it is trusted. */
export function shippedLengths(files: readonly TextFile[]): Finding[] {
  return files.flatMap(({ path, text }) => {
    const limit = shippedLimit(path);
    const lines = linesOf(text).length;
    const words = `${lines} lines > ${limit}`;
    return lines > limit ? [{ rule: 'shipped-length', path, line: 0, text: words }] : [];
  });
}

const unit = /\.(?:service|socket|timer|target|path|mount|conf|preset)$/;

function shippedLimit(path: string): number {
  if (!/^(?:systemd|image-build)\//.test(path)) return Number.POSITIVE_INFINITY;
  if (path.endsWith('/baton-deadman.sh')) return DEADMAN_LINES;
  if (path.endsWith('.sh')) return SCRIPT_LINES;
  return unit.test(path) ? UNIT_LINES : Number.POSITIVE_INFINITY;
}
