/**
 * Writes what is generated: types, example file and reference of each daemon's settings, and the
 * page of error codes. Run by `npm run gen`; with `--check` nothing is written and the exit status
 * is 1 when the tree would change.
 *
 * A daemon takes part by a file `<daemon>/config.ts` that exports its `declaration`. It is found at
 * run time: `shared` imports neither daemon.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemFiles } from '../adapters/system-files.ts';
import { invariant } from '../errors/baton-error.ts';
import { errorCodes } from '../errors/registry.ts';
import type { Files } from '../ports/files.ts';
import type { Declaration } from './load.ts';
import { renderExample, renderTypes } from './render.ts';
import { renderErrors, renderReference } from './render-reference.ts';

const daemons = ['agent', 'coordinator'] as const;

async function declarationOf(root: string, daemon: string): Promise<Declaration> {
  const module: unknown = await import(pathToFileURL(join(root, daemon, 'config.ts')).href);
  const isOne = typeof module === 'object' && module !== null && 'declaration' in module;
  invariant(isOne, `${daemon}/config.ts exports its declaration`);
  return module.declaration as Declaration;
}

/** Text of every generated file, by its path below `root`. */
export async function generatedFiles(root: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map([['shared/errors/ERRORS.md', renderErrors(errorCodes)]]);
  for (const daemon of daemons) {
    const declaration = await declarationOf(root, daemon);
    files.set(`${daemon}/config/settings-types.ts`, renderTypes(declaration));
    files.set(`${daemon}/config/${daemon}.example.yaml`, renderExample(declaration));
    files.set(`${daemon}/config/SETTINGS.md`, renderReference(declaration));
  }
  return files;
}

/** Paths whose text on the disk is not the generated one; writes them unless `check`. */
export async function generate(files: Files, root: string, check: boolean): Promise<string[]> {
  const changed = [...(await generatedFiles(root))].filter(
    ([path, text]) => files.read(join(root, path)) !== text,
  );
  if (!check) {
    for (const [path, text] of changed) files.write(join(root, path), text, { sync: false });
  }
  return changed.map(([path]) => path);
}

if (import.meta.main) {
  const check = process.argv.includes('--check');
  const changed = await generate(systemFiles(), join(import.meta.dirname, '../..'), check);
  for (const path of changed) process.stdout.write(`${check ? 'would change' : 'wrote'} ${path}\n`);
  if (check && changed.length > 0) {
    process.stderr.write('error: generated files are out of date - run `npm run gen`\n');
    process.exitCode = 1;
  }
}
