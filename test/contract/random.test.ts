/** One suite for the port of randomness: range and uniformity, against the seeded and the real. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../shared/adapters/system-random.ts';
import { seededRandom } from '../../shared/ports/fakes/seeded-random.ts';
import type { Random } from '../../shared/ports/random.ts';

const implementations: readonly [string, () => Random][] = [
  ['system random', systemRandom],
  ['seeded random', () => seededRandom(7)],
];

/**
 * Chi-squared over 16 cells. With 15 degrees of freedom a fair source is above 70 once in 10^8
 * runs, so the real one may be tested without a seed.
 */
const isEven = (cells: readonly number[]): boolean => {
  const mean = cells.reduce((sum, cell) => sum + cell, 0) / cells.length;
  return cells.reduce((sum, cell) => sum + (cell - mean) ** 2 / mean, 0) < 70;
};

const count = (draws: number, draw: () => number): number[] => {
  const cells = Array.from({ length: 16 }, () => 0);
  for (let i = 0; i < draws; i += 1) {
    const cell = draw();
    cells[cell] = (cells[cell] ?? Number.NaN) + 1;
  }
  return cells;
};

test('the measure itself tells a bent source from a fair one', () => {
  let turn = 0;
  expect(isEven(count(16_000, () => turn++ % 16))).toBe(true);
  expect(isEven(count(16_000, () => (turn++ % 17) % 16))).toBe(false);
});

describe.each(implementations)('%s', (_name, make) => {
  test('below: whole, in range, even', () => {
    const random = make();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 48 - 1 }), (bound) => {
        const value = random.below(bound);
        expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true);
      }),
    );
    expect(random.below(1)).toBe(0);
    expect(isEven(count(16_000, () => random.below(16)))).toBe(true);
  });

  test('unit: in [0, 1), even', () => {
    const random = make();
    expect(isEven(count(16_000, () => Math.floor(random.unit() * 16)))).toBe(true);
  });

  test('hex: two digits a byte, every digit even, never the same twice', () => {
    const random = make();
    const [one, other] = [random.hex(2000), random.hex(2000)];
    expect(one).toMatch(/^[0-9a-f]{4000}$/);
    expect(one).not.toBe(other);
    const digits = [...one].map((digit) => Number.parseInt(digit, 16));
    expect(isEven(count(4000, () => digits.pop() ?? Number.NaN))).toBe(true);
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 48])('a bound of %s is our own bug', (bound) => {
    expect(() => make().below(bound)).toThrow('needs a bound');
    if (bound < 2 ** 48) expect(() => make().hex(bound)).toThrow('counted');
  });
});

test('a seed replays exactly; near seeds have nothing in common', () => {
  const draw = (seed: number): string => seededRandom(seed).hex(8);
  expect(draw(1)).toBe(draw(1));
  expect(new Set(Array.from({ length: 500 }, (_, seed) => draw(seed).slice(0, 8))).size).toBe(500);
});
