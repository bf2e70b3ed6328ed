/**
 * test/PROTOCOL.md and the table of bad input in test/README.md name only what is there, and each
 * step and item names what holds it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cases } from '../../lab/machines/cases.ts';
import { mutants } from '../../sim/mutants/table.ts';
import { type NamedIn, type Step, stepsOf, tableOf } from './protocol-references.ts';

const root = join(import.meta.dirname, '../../..');
const document = readFileSync(join(root, 'test/PROTOCOL.md'), 'utf8');
const steps = stepsOf(document);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** A definition, not a mere use: function, constant, class, method. */
const defines = (source: string, name: string): boolean =>
  new RegExp(
    `(?:\\b(?:function|const|class|interface) ${name}\\b)|(?:^ *(?:async )?#?${name}\\(.*\\{$)`,
    'm',
  ).test(source);

/** Every name of a step that is not there, in words. */
function missing(step: Step, has: typeof world): string[] {
  return [
    ...step.code.filter(({ path }) => !has.file(path)).map(({ path }) => `${path} is not there`),
    ...step.code.flatMap(({ path, names }) =>
      names
        .filter((name) => has.file(path) && !defines(has.text(path), name))
        .map((name) => `${path} does not define ${name}`),
    ),
    ...missingTests(step.tests, has),
    ...step.mutants.filter((name) => !has.mutants.includes(name)).map((name) => `mutant ${name}`),
    ...step.cases.filter((name) => !has.cases.includes(name)).map((name) => `case ${name}`),
    ...step.unknown.map((part) => `not understood: ${part}`),
  ];
}

const missingTests = (tests: readonly NamedIn[], has: Pick<typeof world, 'file' | 'text'>) =>
  tests.flatMap(({ path, names }) => {
    if (!has.file(path)) return [`${path} is not there`];
    return names
      .filter((title) => !has.text(path).includes(`'${title}'`))
      .map((title) => `${path} has no test '${title}'`);
  });

const world = {
  file: (path: string): boolean => existsSync(join(root, path)),
  text: read,
  mutants: mutants.map(({ name }) => name),
  cases: cases.map(({ name }) => name),
};

describe('the safety argument', () => {
  it.each(steps)('$title names only what is there', (step) => {
    expect(missing(step, world)).toEqual([]);
  });

  it.each(steps)('$title names its code and what holds it', ({ code, tests, mutants: held }) => {
    expect(code.length).toBeGreaterThan(0);
    expect(tests.length).toBeGreaterThan(0);
    expect(tests.flatMap(({ names }) => names).length + held.length).toBeGreaterThan(0);
  });

  it('has every step from the assumptions on, in order, and every rule of the lease', () => {
    const numbers = steps.map(({ title }) => title.split('.')[0]);
    const proof = numbers.filter((number) => !number?.startsWith('A'));
    expect(numbers.slice(0, 4)).toEqual(['A1', 'A2', 'A3', 'A4']);
    expect(proof).toEqual(Array.from({ length: proof.length }, (_, at) => String(at + 1)));
    const rules = new Set(steps.flatMap((step) => step.rules));
    expect(
      [...Array(15).keys()].map((at) => `L${at + 1}`).filter((one) => !rules.has(one)),
    ).toEqual([]);
  });

  it('is one page', () => {
    expect(document.split('\n').length).toBeLessThan(220);
  });
});

describe('bad input', () => {
  const rows = tableOf(read('test/README.md'), 'Bad input');
  const under = {
    file: (path: string): boolean => world.file(`test/${path}`),
    text: (path: string): string => read(`test/${path}`),
  };

  it('has a row for each item', () => {
    expect(rows.length).toBeGreaterThanOrEqual(13);
  });

  it.each(rows)('$item is held by tests that are there', ({ tests }) => {
    expect(tests.flatMap(({ names }) => names).length).toBeGreaterThan(0);
    expect(tests.filter(({ names }) => names.length === 0)).toEqual([]);
    expect(missingTests(tests, under)).toEqual([]);
  });
});

describe('the check itself', () => {
  const step = `**1. A step.** Words.
> rule L1 · code \`a.ts\` gone kept, \`b.sh\` · tests \`c.test.ts\` “is
> there” “is not” · mutants \`m\`, \`n\` · cases \`x\` · proofs none\n`;
  const small = {
    file: (path: string): boolean => path !== 'b.sh',
    text: (path: string): string =>
      path === 'a.ts' ? 'gone(1);\nexport const kept = 1;\n' : "test('is there', () => {});\n",
    mutants: ['m'],
    cases: [],
  };

  it('names each thing that is not there', () => {
    const [read] = stepsOf(step);
    expect(read === undefined ? [] : missing(read, small)).toEqual([
      'b.sh is not there',
      'a.ts does not define gone',
      "c.test.ts has no test 'is not'",
      'mutant n',
      'case x',
      'not understood: proofs none',
    ]);
  });
});
