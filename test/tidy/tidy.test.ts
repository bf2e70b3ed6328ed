/**
 * The rules of the house, held against every file of the project. Each rule is tried on a bad
 * sample in rules.test.ts; here the list of breaches must be empty.
 */
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
  type Exception,
  fileLengths,
  fileNames,
  functionLengths,
  lineLengths,
  shippedLengths,
} from './rules/shape.ts';
import { focusedTests, forms, plainErrors } from './rules/syntax.ts';
import { deskWords } from './rules/words.ts';
import { type Finding, parseSource, type TextFile } from './source.ts';
import { existsInProject, projectPaths, readProject } from './tree.ts';

/** Files that may be longer than 500 lines: at most three, each with its reason. */
const longer: readonly Exception[] = [];

const written = /\.(?:ts|mjs|go|sh)$/;
const lined = /\.(?:ts|mjs|go|sh|service|timer|socket|conf)$|^\.ci\//;
/** Generated or foreign text, which nobody words. */
const generated = /(?:^|\/)(?:package-lock\.json|go\.sum|LICENSE)$/;

const paths = projectPaths();
const file = (path: string): TextFile => ({ path, text: readProject(path) ?? '' });
const files = paths.filter((path) => !generated.test(path)).map(file);
const parsed = files.filter(({ path }) => /\.(?:ts|mjs)$/.test(path)).map(parseSource);
const sources = parsed.flatMap((one) => (one.ok ? [one.source] : []));
const documents = files.filter(({ path }) => path.endsWith('.md'));
const packageFile = file('package.json');
const { dependencies, devDependencies } = JSON.parse(packageFile.text);
const packages = { product: Object.keys(dependencies), tools: Object.keys(devDependencies) };

/** Findings as lines, so that a failure reads like a compiler's output. */
const told = (findings: readonly Finding[]): string[] =>
  findings.map(({ path, line, rule, text }) => `${path}:${line} ${rule}: ${text}`);

const clean = (findings: readonly Finding[]): void => expect(told(findings)).toEqual([]);

describe('shape', () => {
  test('every file parses', () => clean(parsed.flatMap((one) => (one.ok ? [] : [one.finding]))));
  test('files are short', () =>
    clean(
      fileLengths(
        files.filter(({ path }) => written.test(path)),
        longer,
      ),
    ));
  test('functions are short', () => clean(sources.flatMap(functionLengths)));
  test('lines are short', () =>
    clean(files.filter(({ path }) => lined.test(path)).flatMap(lineLengths)));
  test('names are kebab-case', () => clean(fileNames(paths)));
  test('shipped scripts and units are short', () => clean(shippedLengths(files)));
});

describe('code', () => {
  test('no enum, namespace, parameter property, default export', () =>
    clean(sources.flatMap(forms)));
  test('no plain errors', () => clean(sources.flatMap(plainErrors)));
  test('no focused tests', () => clean(sources.flatMap(focusedTests)));
  test('the world is touched only in adapters', () => clean(sources.flatMap(rawAccess)));
  test('the database’s files are known only to its adapter', () =>
    clean(sources.flatMap(liveDatabase)));
  test('imports keep to the map', () =>
    clean(sources.flatMap((source) => importRules(source, packages))));
  test('modules say what they are for', () =>
    clean([...files.flatMap(moduleHeaders), ...packageComments(files)]));
  test('15 to 25 % of what ships is comment', () => {
    const share = commentShare(sources.filter(({ path }) => !path.startsWith('test/')));
    expect(share).toBeGreaterThanOrEqual(0.15);
    expect(share).toBeLessThanOrEqual(0.25);
  });
});

describe('project', () => {
  test('no words of somebody’s desk', () => clean(files.flatMap(deskWords)));
  test('the lock file has hashes and no addresses', () =>
    clean(lockFile(file('package-lock.json'))));
  test('versions are pinned and there are no aliases', () => clean(manifest(packageFile)));
  test('every npm script exists', () => clean(npmScripts(packageFile, readProject)));
  test('documents show commands that exist', () =>
    clean(documents.flatMap((one) => documentedCommands(one, packageFile.text))));
  test('documents link to files that exist', () =>
    clean(documents.flatMap((one) => documentLinks(one, existsInProject))));
  test('the map names every top-level folder', () =>
    clean(folderMap(file('ARCHITECTURE.md'), paths)));
  test('every top-level folder has a README', () => clean(folderReadmes(paths)));
  test('every bug names its test', () =>
    clean(
      documents
        .filter(({ path }) => path === 'test/BUGS.md')
        .flatMap((one) => bugSections(one, readProject)),
    ));
  test('no litter', () => clean(litter(paths, (path) => readProject(path) === '')));
});
