/**
 * Compares text with a golden file beside the tests. `BATON_GOLDEN=write` writes it anew, for a
 * person to read and commit; a missing file fails like a different one.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

const folder = join(import.meta.dirname, 'golden');

export function expectGolden(name: string, lines: readonly string[]): void {
  const file = join(folder, name);
  const text = `${lines.join('\n')}\n`;
  if (process.env.BATON_GOLDEN === 'write') writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
}
