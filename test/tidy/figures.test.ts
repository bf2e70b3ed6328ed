/** The table of figures in test/README.md is the one in test/lab/result-file.ts. */
import { expect, test } from 'vitest';
import { figureNames } from '../lab/result-file.ts';
import { readProject } from './tree.ts';

const table = [
  '| name | unit | bar | what |',
  '|---|---|---|---|',
  ...Object.entries(figureNames).map(
    ([name, { unit, bar, what }]) => `| \`${name}\` | ${unit} | ${bar ?? '-'} | ${what} |`,
  ),
];

test('test/README.md lists every figure, with its unit and bar', () => {
  const text = readProject('test/README.md') ?? '';
  const shown = text.slice(text.indexOf('## Figures')).split('\n');
  // On a difference the right table is what the failure prints.
  expect(shown.filter((line) => line.startsWith('|'))).toEqual(table);
});
