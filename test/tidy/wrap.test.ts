/** Comments are wrapped within their paragraph; code and strings are left and named. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { wrapComments } from './wrap.ts';

const words = (count: number): string => Array(count).fill('word').join(' ');
const widest = (text: string): number =>
  Math.max(...text.split('\n').map((line) => [...line].length));

test('the words beyond go to the next line of the paragraph, and push on', () => {
  const { text, left } = wrapComments(` * ${words(20)}\n * ${words(19)} end\n *\n * Next.\n`);
  expect(left).toEqual([]);
  expect(widest(text)).toBeLessThanOrEqual(100);
  expect(text.split('\n').slice(-4)).toEqual([' * word end', ' *', ' * Next.', '']);
});

test('a block of one line is opened up', () => {
  expect(wrapComments(`  /** ${words(19)} end */`).text.split('\n')).toEqual([
    '  /**',
    `   * ${words(19)}`.slice(0, 100).trimEnd(),
    '   * end',
    '   */',
  ]);
});

test('a list keeps its points apart', () => {
  const { text } = wrapComments(` * - ${words(20)}\n * - two\n`);
  expect(text).toBe(` * - ${words(19)}\n *   word\n * - two\n`);
});

test('code, strings and one long word are left and named', () => {
  const text = `const a = '${words(30)}';\n// ${'x'.repeat(120)}\n`;
  expect(wrapComments(text)).toEqual({ text, left: [1, 2] });
});

test('no word is lost or moved past another, and a second run changes nothing', () => {
  const line = fc.array(fc.constantFrom('a', 'four', 'sixteen-letters', '- ', '`code`'), {
    maxLength: 40,
  });
  const comment = fc
    .array(line, { maxLength: 6 })
    .map((lines) => lines.map((one) => ` * ${one.join(' ')}`.trimEnd()).join('\n'));
  const spoken = (text: string): string[] => text.split(/[\s*]+/).filter((word) => word !== '');
  fc.assert(
    fc.property(comment, (before) => {
      const { text } = wrapComments(before);
      expect(spoken(text)).toEqual(spoken(before));
      expect(wrapComments(text).text).toBe(text);
    }),
  );
});
