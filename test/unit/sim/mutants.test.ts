/** Every mutant still applies to the code as it stands; `npm run sim -- --mutants` hunts them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyEdit } from '../../sim/mutants/edits.ts';
import { mutants } from '../../sim/mutants/table.ts';

const root = join(import.meta.dirname, '../../..');

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
});
