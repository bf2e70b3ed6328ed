/** Each rule of tidy finds what it is for, and leaves alone what is allowed. */
import { describe, expect, test } from 'vitest';
import { importRules, liveDatabase, rawAccess } from './rules/boundaries.ts';
import { commentShare, moduleHeaders, packageComments } from './rules/comments.ts';
import { bugSections, litter } from './rules/housekeeping.ts';
import {
  documentedCommands,
  documentLinks,
  folderMap,
  folderReadmes,
  lockFile,
  manifest,
  npmScripts,
} from './rules/packaging.ts';
import {
  fileLengths,
  fileNames,
  functionLengths,
  lineLengths,
  shippedLengths,
} from './rules/shape.ts';
import { focusedTests, forms, plainErrors } from './rules/syntax.ts';
import { deskWords } from './rules/words.ts';
import { type Finding, parseSource, type Source } from './source.ts';

/** A source at `path`; the sample itself must parse. */
function source(path: string, text: string): Source {
  const parsed = parseSource({ path, text });
  if (!parsed.ok) expect.fail(parsed.finding.text);
  return parsed.source;
}

const lines = (count: number, text = 'x;'): string => `${text}\n`.repeat(count);
const rules = (findings: readonly Finding[]): string[] => findings.map(({ rule }) => rule);

describe('shape', () => {
  const file = (path: string, count: number) => ({ path, text: lines(count) });

  test('long files, the median and the ninth tenth', () => {
    expect(fileLengths([file('a.ts', 150), file('b.ts', 500)], [])).toHaveLength(1);
    expect(fileLengths([file('a.ts', 151)], [])[0]?.text).toContain('median');
    expect(fileLengths([file('a.ts', 1), file('b.ts', 501)], []).at(-1)?.text).toContain('501');
    const excepted = [{ path: 'b.ts', reason: 'one table that nobody can split' }];
    const long = fileLengths([...Array(20).fill(file('a.ts', 1)), file('b.ts', 501)], excepted);
    expect(long).toEqual([]);
  });

  test('an exception that is not needed, or unexplained, is a finding', () => {
    const texts = fileLengths([file('a.ts', 1)], [{ path: 'a.ts', reason: 'because' }]);
    expect(texts.map(({ text }) => text)).toEqual(['needs no exception', 'gives no reason']);
  });

  test('functions, with everything inside', () => {
    const body = (count: number) => lines(count, '  a();');
    const found = (text: string) => functionLengths(source('agent/a.ts', text)).length;
    expect(found(`function a() {\n${body(68)}}\n`)).toBe(0);
    expect(found(`function a() {\n${body(69)}}\n`)).toBe(1);
    const inner = `const b = () => {\n${body(34)}};\n`;
    expect(found(`function a() {\n${inner}}\n`)).toBe(0);
    expect(found(`function a() {\n${inner}${inner}}\n`)).toBe(1);
    expect(found(`class A {\n${`a() {\n${body(60)}}\n`.repeat(2)}}\n`)).toBe(0);
    expect(found(`describe('a', () => {\n${body(80)}});\n`)).toBe(0);
  });

  test('lines count in characters, not in bytes', () => {
    expect(lineLengths({ path: 'a.ts', text: 'é'.repeat(100) })).toEqual([]);
    expect(lineLengths({ path: 'a.ts', text: `x\n${'é'.repeat(101)}` })[0]?.line).toBe(2);
  });

  test('names', () => {
    expect(fileNames(['agent/main.ts', 'test/README.md', 'go/a_test.go', '.ci/run'])).toEqual([]);
    expect(fileNames(['agent/mainLoop.ts', 'agent/my_file.ts', 'Agent/a.ts'])).toHaveLength(3);
  });

  test('scripts and units that ship', () => {
    const unit = (count: number) => ({ path: 'systemd/a.service', text: lines(count) });
    expect(shippedLengths([unit(40), { path: 'test/a.service', text: lines(99) }])).toEqual([]);
    expect(shippedLengths([unit(41)])).toHaveLength(1);
  });
});

describe('code', () => {
  test.each([
    ['no-enum', 'enum A { B }'],
    ['no-namespace', 'namespace A { export const b = 1; }'],
    ['no-parameter-property', 'class A { constructor(private readonly b: string) {} }'],
    ['no-default-export', 'export default 1;'],
  ])('%s', (rule, text) => {
    expect(rules(forms(source('agent/a.ts', text)))).toEqual([rule]);
  });

  test('plain errors in what ships, not in tests and not in words', () => {
    const text = "throw new Error('x');";
    expect(plainErrors(source('agent/a.ts', text))).toHaveLength(1);
    expect(plainErrors(source('test/a.ts', text))).toEqual([]);
    expect(plainErrors(source('agent/a.ts', '// new Error(\nconst a = "Error(";'))).toEqual([]);
    expect(plainErrors(source('agent/a.ts', "new BatonError('x');"))).toEqual([]);
  });

  test('a focused test', () => {
    // In two parts, or this file would be a finding itself.
    const only = ['on', 'ly'].join('');
    expect(focusedTests(source('test/a.ts', `test.${only}('a');`))).toHaveLength(1);
    expect(focusedTests(source('test/a.ts', "test.each([])('a');"))).toEqual([]);
  });

  test.each([
    'setTimeout(run, 1);',
    'globalThis.setInterval(run, 1);',
    'const a = Date.now();',
    'const a = new Date();',
    'const a = Math.random();',
    "import { readFileSync } from 'node:fs';",
    "import { spawn } from 'child_process';",
    "const a = await import('node:fs/promises');",
  ])('the world is touched only in adapters: %s', (text) => {
    expect(rawAccess(source('agent/core/a.ts', text))).toHaveLength(1);
    expect(rawAccess(source('agent/adapters/a.ts', text))).toEqual([]);
    expect(rawAccess(source('test/a.ts', text))).toEqual([]);
  });

  test.each([
    'clock.setTimeout(run);',
    'const a = new Date(7);',
    "import type { Stats } from 'node:fs';",
    '// Date.now()',
    "const a = 'Math.random()';",
  ])('what only looks like it: %s', (text) => {
    expect(rawAccess(source('agent/core/a.ts', text))).toEqual([]);
  });

  test('the live database', () => {
    const text = "const a = join(server, 'db/state.db');";
    expect(liveDatabase(source('agent/actions/a.ts', text))).toHaveLength(1);
    expect(liveDatabase(source('agent/adapters/datastore/a.ts', text))).toEqual([]);
  });
});

describe('imports', () => {
  const packages = { product: ['mqtt'], tools: ['vitest'] };
  const found = (path: string, from: string, what = 'import { a }') =>
    importRules(source(path, `${what} from '${from}';`), packages).length;

  test.each([
    ['agent/a.ts', '../coordinator/b.ts'],
    ['coordinator/a.ts', '../agent/b.ts'],
    ['shared/a.ts', '../agent/b.ts'],
    ['agent/a.ts', '../test/b.ts'],
    ['agent/core/a.ts', '../loop.ts'],
    ['agent/core/a.ts', 'node:os'],
    ['agent/core/a.ts', 'mqtt'],
    ['agent/core/a.ts', '../../shared/net/b.ts'],
    ['agent/a.ts', 'vitest'],
    ['agent/a.ts', 'left-pad'],
    ['agent/a.ts', './b'],
    ['agent/a.ts', '../../elsewhere/b.ts'],
  ])('%s may not import %s', (path, from) => {
    expect(found(path, from)).toBe(1);
  });

  test.each([
    ['agent/a.ts', '../shared/b.ts'],
    ['agent/a.ts', 'mqtt'],
    ['agent/a.ts', 'node:os'],
    ['agent/core/a.ts', './b.ts'],
    ['agent/core/a.ts', '../../shared/time/b.ts'],
    ['test/a.ts', 'vitest'],
    ['test/a.ts', '../agent/b.ts'],
  ])('%s may import %s', (path, from) => {
    expect(found(path, from)).toBe(0);
  });

  test('types of shared, but not its code, in the core', () => {
    expect(found('agent/core/a.ts', '../../shared/ports/b.ts', 'import type { A }')).toBe(0);
    expect(found('agent/core/a.ts', '../../shared/ports/b.ts', 'export { a }')).toBe(1);
  });

  test('an import that is computed', () => {
    const text = 'const a = await import(name);';
    expect(importRules(source('agent/a.ts', text), packages)).toHaveLength(1);
  });
});

describe('headers', () => {
  test.each([
    ['a.ts', '/** Says what it is for. */\n', 'import "b";\n'],
    ['a.mjs', '#!/usr/bin/env node\n/** Says. */\n', '// says\n'],
    ['a.sh', '#!/bin/sh\n# Says.\n', '#!/bin/sh\nset -e\n'],
    ['a.service', '# Says.\n[Unit]\n', '[Unit]\n'],
  ])('%s', (path, good, bad) => {
    expect(moduleHeaders({ path, text: good })).toEqual([]);
    expect(moduleHeaders({ path, text: bad })).toHaveLength(1);
  });

  test('the share of comments counts lines that are not empty', () => {
    const two = source('agent/a.ts', '/** A. */\n\nconst b = 1; // b\nconst c = 2;\n');
    expect(commentShare([two])).toBeCloseTo(2 / 3);
    expect(commentShare([])).toBe(0);
  });

  test('a Go package has one package comment', () => {
    const bare = { path: 'go/b.go', text: 'package main\n' };
    const told = { path: 'go/a.go', text: '// Command a does b.\npackage main\n' };
    expect(packageComments([bare, told])).toEqual([]);
    expect(packageComments([bare])).toHaveLength(1);
  });
});

describe('project', () => {
  test('words of somebody’s desk', () => {
    // In parts, or this file would be a finding itself.
    const word = ['desk', 'word', 'of', 'the', 'test'].join('-');
    const found = (text: string) => deskWords({ path: 'a.md', text }).length;
    expect(found(`a ${word} b`)).toBe(1);
    expect(found(['TO', 'DO: later'].join(''))).toBe(1);
    expect(found(['/wo', 'rk/a.ts'].join(''))).toBe(1);
    expect(found(['see https://a.example/wo', 'rk/a and $HOME/wo', 'rk/b'].join(''))).toBe(0);
  });

  test('the lock file', () => {
    const lock = (entry: object) =>
      lockFile({ path: 'p', text: JSON.stringify({ packages: { '': {}, a: entry } }) }).length;
    expect(lock({ integrity: 'sha512-x' })).toBe(0);
    expect(lock({})).toBe(1);
    expect(lock({ integrity: 'sha512-x', resolved: 'https://a' })).toBe(1);
    expect(lock({ optional: true, os: ['win32'] })).toBe(0);
    expect(lock({ optional: true, os: ['linux'], libc: ['glibc'] })).toBe(1);
  });

  test('versions', () => {
    const pinned = (version: string) =>
      manifest({ path: 'p', text: JSON.stringify({ dependencies: { a: version } }) }).length;
    expect(pinned('1.2.3')).toBe(0);
    for (const loose of ['^1.2.3', '~1.2.3', '*', 'latest', 'https://a']) {
      expect(pinned(loose)).toBe(1);
    }
    expect(manifest({ path: 'p', text: '{"imports":{"#a":"./a.ts"}}' })).toHaveLength(1);
  });

  test('npm scripts', () => {
    const read = (path: string) => (path === 'test/launch.mjs' ? '  test,\n  demo: a,\n' : null);
    const found = (command: string) =>
      npmScripts({ path: 'p', text: JSON.stringify({ scripts: { a: command } }) }, read).length;
    expect(found('node test/launch.mjs test')).toBe(0);
    expect(found('node test/launch.mjs demo')).toBe(0);
    expect(found('node test/launch.mjs bench')).toBe(1);
    expect(found('node test/gone.mjs')).toBe(1);
    expect(found('tsc')).toBe(1);
  });

  test('documents', () => {
    const shown = (text: string) =>
      documentedCommands({ path: 'd.md', text }, '{"scripts":{"test":""}}').length;
    expect(shown('`npm test` and `npm run test`')).toBe(0);
    expect(shown('`npm run gone`')).toBe(1);
    const linked = (text: string) =>
      documentLinks({ path: 'a/d.md', text }, (path) => path === 'a/b.md').length;
    expect(linked('[b](b.md), [c](https://c), [d](#d), [b](b.md#e)')).toBe(0);
    expect(linked('[b](gone.md)')).toBe(1);
  });

  test('the map of folders', () => {
    const paths = ['agent/core/a.ts', 'shared/b.ts', '.ci/run', 'README.md'];
    const found = (...folders: string[]) =>
      folderMap(
        { path: 'd.md', text: folders.map((one) => `| \`${one}\` | does |`).join('\n') },
        paths,
      ).length;
    expect(found('agent/core/', 'shared/')).toBe(0);
    expect(found('agent/')).toBe(1);
    expect(found('agent/', 'shared/', 'gone/')).toBe(1);
    expect(folderReadmes(paths)).toHaveLength(2);
    expect(folderReadmes([...paths, 'agent/README.md', 'shared/README.md'])).toEqual([]);
  });

  test('the list of bugs', () => {
    const read = (path: string) => (path === 'test/a.test.ts' ? '' : null);
    const section = (...lines: string[]) =>
      bugSections({ path: 'b', text: ['# Bugs', '## 1. One', ...lines].join('\n') }, read).length;
    const told = ['- **What**: a', '- **Seed**: 7', '- **Fix**: b'];
    expect(section(...told, '- **Test**: test/a.test.ts, 1.')).toBe(0);
    expect(section(...told, '- **Test**: test/gone.test.ts')).toBe(1);
    expect(section(...told, '- **Test**: none')).toBe(1);
    expect(section(...told)).toBe(1);
    expect(section('- **What**: a', '- **Test**: test/a.test.ts')).toBe(1);
  });

  test('litter', () => {
    const found = (path: string, empty = false) => litter([path], () => empty).length;
    expect(found('agent/main.ts')).toBe(0);
    for (const path of ['dist/a.mjs', 'a.log', 'b/c.db-wal', '.vitest/a.json', 'a.ts~']) {
      expect(found(path)).toBe(1);
    }
    expect(found('agent/empty.ts', true)).toBe(1);
  });
});
