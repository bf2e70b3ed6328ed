/**
 * Wraps comments that are wider than tidy allows; the formatter leaves comments alone.
 *
 *   node test/tidy/wrap.ts [FILE ...]      (no file: every one of the project)
 *
 * Moves the words beyond the limit to the next line of the same paragraph, and opens up a one-line
 * block that is too long. What is no comment it leaves and names, and ends with status 1. It does
 * not parse: a line of a template string that opens like a comment counts as one.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectPaths, readProject, root } from './tree.ts';

const COLUMNS = 100;
const wrapped = /\.(?:ts|mjs|go|sh|service|timer|socket|conf)$/;

const blockOfOneLine = /^(\s*)\/\*\* (.*) \*\/$/;
/** First group: what opens the line, with its blanks; the words follow. */
const commentLine = /^(\s*(?:\*|\/\/|#)\s+(?:- )?)(\S.*)$/;

export interface Wrapped {
  readonly text: string;
  /** Line numbers, counted from 1, that are still too wide. */
  readonly left: readonly number[];
}

export function wrapComments(text: string): Wrapped {
  const lines = text.split('\n');
  const left: number[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if ([...line].length <= COLUMNS) continue;
    const block = blockOfOneLine.exec(line);
    if (block !== null) {
      lines.splice(at, 1, `${block[1]}/**`, `${block[1]} * ${block[2]}`, `${block[1]} */`);
      continue; // The line of words is looked at next.
    }
    if (!wrapLine(lines, at)) left.push(at + 1);
  }
  return { text: lines.join('\n'), left };
}

/** Cuts line `at`; false when it is no comment, or one word. */
function wrapLine(lines: string[], at: number): boolean {
  const line = lines[at] ?? '';
  const [, opening = ''] = commentLine.exec(line) ?? [];
  // `lastIndexOf` counts in code units: never more columns than it says.
  const cut = line.lastIndexOf(' ', COLUMNS);
  if (opening === '' || cut < opening.length) return false;
  const prefix = opening.replace('- ', '  ');
  const rest = line.slice(cut + 1);
  lines[at] = line.slice(0, cut);
  const next = lines[at + 1] ?? '';
  const goesOn = next.startsWith(prefix) && /^[^\s*/-]/.test(next.slice(prefix.length));
  if (goesOn) lines[at + 1] = `${prefix}${rest} ${next.slice(prefix.length)}`;
  else lines.splice(at + 1, 0, `${prefix}${rest}`);
  return true;
}

if (import.meta.main) {
  const given = process.argv.slice(2);
  for (const path of given.length > 0 ? given : projectPaths().filter((one) => wrapped.test(one))) {
    const before = readProject(path) ?? '';
    const { text, left } = wrapComments(before);
    if (text !== before) {
      writeFileSync(join(root, path), text);
      process.stdout.write(`wrapped ${path}\n`);
    }
    for (const line of left) {
      process.stderr.write(`${path}:${line} is no comment and too wide\n`);
      process.exitCode = 1;
    }
  }
}
