/**
 * The table of figures in test/README.md is the one in test/lab/result-file.ts.
 * `BATON_GOLDEN=write` puts the right one in its place.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { figureNames } from '../lab/result-file.ts';
import { readProject, root } from './tree.ts';

const path = 'test/README.md';
const table = [
  '| name | unit | bar | what |',
  '|---|---|---|---|',
  ...Object.entries(figureNames).map(
    ([name, { unit, bar, what }]) => `| \`${name}\` | ${unit} | ${bar ?? '-'} | ${what} |`,
  ),
].join('\n');

/** The last table of the page, without the line end behind it. */
const shown = (text: string): string =>
  /(?:^\|.*\n?)+/m.exec(text.slice(text.indexOf('## Figures')))?.[0].trimEnd() ?? '';

test('test/README.md lists every figure, with its unit and bar', () => {
  const text = readProject(path) ?? '';
  if (process.env.BATON_GOLDEN === 'write') {
    writeFileSync(
      join(root, path),
      text.replace(shown(text), () => table),
    );
  }
  expect(shown(readProject(path) ?? '')).toBe(table);
});
