/** Every mutant still applies to the code as it stands; `npm run sim -- --mutants` hunts them. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyEdit } from '../../sim/mutants/edits.ts';
import { mutants } from '../../sim/mutants/table.ts';

const root = join(import.meta.dirname, '../../..');

/** The module and whatever it imports before its first line runs, from the root of the project. */
function loadedWith(path: string, seen: Set<string> = new Set()): ReadonlySet<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  const source = readFileSync(join(root, path), 'utf8');
  for (const [, from] of source.matchAll(/^(?:im|ex)port (?!type )[^;]*? from '(\.[^']+)';$/gm)) {
    loadedWith(relative(root, join(root, dirname(path), from as string)), seen);
  }
  return seen;
}

describe('mutants', () => {
  it('are as many as the bar asks for, with names of their own', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(35);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  it.each(mutants)('$name finds its text once, and changes it', ({ edits }) => {
    const sources = new Map<string, string>();
    for (const edit of edits) {
      const source = sources.get(edit.file) ?? readFileSync(join(root, edit.file), 'utf8');
      const edited = applyEdit(edit, source);
      expect(edited).not.toBe(source);
      sources.set(edit.file, edited);
    }
  });

  it.each(['main.ts', 'worker.ts'])('are in place before %s loads what they edit', (file) => {
    const loaded = loadedWith(`test/sim/${file}`);
    expect(loaded).toContain('test/sim/mutants/edits.ts');
    const edited = new Set(mutants.flatMap(({ edits }) => edits.map((edit) => edit.file)));
    expect([...edited].filter((path) => loaded.has(path))).toEqual([]);
  });
});
