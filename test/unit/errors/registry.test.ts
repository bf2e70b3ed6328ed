/** The error class, its registry, and the reference page that is generated from it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { renderErrors } from '../../../shared/config/render-reference.ts';
import { BatonError, invariant, isBatonError } from '../../../shared/errors/baton-error.ts';
import { type ErrorCode, errorCodes } from '../../../shared/errors/registry.ts';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'shared/errors/ERRORS.md'), 'utf8');

describe('registry', () => {
  test('the page lists exactly its codes, with the same words', () => {
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (.+) \|$/gm)].map(([, code, words]) => [
      code,
      words,
    ]);
    expect(rows).toEqual(Object.entries(errorCodes));
    expect(page).toBe(renderErrors(errorCodes));
  });

  test.each(Object.entries(errorCodes))('%s is kebab-case and a sentence', (code, words) => {
    expect(code).toMatch(/^[a-z]+(?:-[a-z]+)*$/);
    expect(words).toMatch(/^[A-Z].*\.$/);
    expect(words).not.toMatch(/[|\n]/);
  });

  test('every code is in use: one that nobody raises is removed', () => {
    const sources = ['agent', 'coordinator', 'shared', 'test/control-plane', 'test/lab']
      .flatMap((folder) => sourcesBelow(join(root, folder)))
      .filter((path) => !path.endsWith('errors/registry.ts'))
      .map((path) => readFileSync(path, 'utf8'))
      .join('\n');
    const codes = Object.keys(errorCodes);
    expect(codes.filter((code) => !sources.includes(`'${code}'`))).toEqual([]);
  });
});

const sourcesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(folder, path));

describe('BatonError', () => {
  test('carries code, kind, context and cause', () => {
    const cause = new TypeError('inner');
    const error = new BatonError('disk-full', 'operational', 'no space', {
      context: { path: '/x' },
      cause,
    });
    expect(error).toBeInstanceOf(Error);
    expect({ ...error, message: error.message, cause: error.cause }).toEqual({
      name: 'BatonError',
      code: 'disk-full',
      kind: 'operational',
      context: { path: '/x' },
      message: 'no space',
      cause,
    });
    expect(error.stack).toContain('registry.test.ts');
  });

  test('without options the context is empty and there is no cause at all', () => {
    const error = new BatonError('key-invalid', 'usage', 'no key');
    expect(error.context).toEqual({});
    expect('cause' in error).toBe(false);
  });

  test('only its own are recognised, not lookalikes', () => {
    expect(isBatonError(new BatonError('key-invalid', 'usage', 'x'))).toBe(true);
    const alike = { name: 'BatonError', code: 'key-invalid', kind: 'usage', context: {} };
    for (const other of [new TypeError('x'), alike, null, undefined, 'BatonError']) {
      expect(isBatonError(other)).toBe(false);
    }
  });

  test('an invariant that holds is silent; a broken one is our own fault', () => {
    expect(() => invariant(true, 'holds')).not.toThrow();
    const broken = (): void => invariant(false, 'two and two', { sum: 5 });
    expect(broken).toThrow('two and two');
    try {
      broken();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'invariant-broken' satisfies ErrorCode,
        kind: 'invariant',
        context: { sum: 5 },
      });
    }
  });
});
