/**
 * Golden traces: what a scenario says is compared, line by line, with the file beside this one.
 *
 * A changed trace is a changed decision: look at the difference, and when it is meant, write the
 * files anew with `BATON_GOLDEN=write npm test`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

export function expectGolden(name: string, lines: readonly string[]): void {
  const file = fileURLToPath(new URL(`./traces/${name}.txt`, import.meta.url));
  const text = `${lines.join('\n')}\n`;
  if (process.env.BATON_GOLDEN === 'write') writeFileSync(file, text);
  expect(existsSync(file), `${file} is missing: write it with BATON_GOLDEN=write`).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
}
