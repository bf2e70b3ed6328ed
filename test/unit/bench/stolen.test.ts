/** What a bench says of the host that it ran on. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { processorTime, processorTimeNow, stolenShare } from '../../bench/stolen.ts';

const stat = (...ticks: number[]): string =>
  `cpu  ${ticks.join(' ')}\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 12 0 0\nbtime 1795357352\n`;

test('the line of all processors counts, and a guest’s time once', () => {
  expect(processorTime(stat(100, 1, 20, 300, 4, 0, 5, 70, 50, 50))).toEqual({
    all: 500,
    stolen: 70,
  });
  expect(processorTime(stat(1, 2, 3, 4))).toBeNull();
  expect(processorTime('')).toBeNull();
});

test('any text gives nothing, or a time that has its part', () => {
  const digits = fc.array(fc.oneof(fc.nat(), fc.constantFrom(-1, 0.5, 1e300)), { maxLength: 12 });
  const texts = fc.oneof(
    fc.string(),
    digits.map((ticks) => stat(...ticks)),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const time = processorTime(text);
      if (time === null) return;
      expect(time.stolen).toBeGreaterThanOrEqual(0);
      expect(time.all).toBeGreaterThanOrEqual(time.stolen);
    }),
  );
});

test('the share is of the time between two looks', () => {
  const before = { all: 1000, stolen: 100 };
  expect(stolenShare(before, { all: 1400, stolen: 200 })).toBe(0.25);
  // A counter of the kernel's that goes back a little, and no time at all.
  expect(stolenShare(before, { all: 1400, stolen: 99 })).toBe(0);
  expect(stolenShare(before, before)).toBe(0);
});

test.runIf(process.platform === 'linux')('this kernel says it', () => {
  const now = processorTimeNow();
  const later = processorTime(readFileSync('/proc/stat', 'utf8'));
  expect(later?.all).toBeGreaterThanOrEqual(now?.all ?? Number.POSITIVE_INFINITY);
});
