/** Durations and instants: what they compute, and what the compiler refuses. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  after,
  between,
  type Duration,
  type Instant,
  instant,
  left,
  milliseconds,
  minutes,
  scaled,
  seconds,
} from '../../../shared/time/duration.ts';

const at = fc.nat(1e9).map(instant);
const span = fc.nat(1e9).map(milliseconds);

test('units are milliseconds', () => {
  expect([milliseconds(7), seconds(7), minutes(7)]).toEqual([7, 7000, 420_000]);
  expect(scaled(seconds(8), 0.99)).toBe(7920);
});

test('between undoes after, and what is left never falls below zero', () => {
  fc.assert(
    fc.property(at, span, (start, length) => {
      expect(between(start, after(start, length))).toBe(length);
      expect(left(start, after(start, length))).toBe(length);
      expect(left(after(start, length), start)).toBe(0);
    }),
  );
});

test('a bare number, or the one for the other, does not compile', () => {
  // @ts-expect-error a bare number has no unit
  const bare: Duration = 5;
  // @ts-expect-error a point in time is no length
  const point: Duration = instant(5);
  // @ts-expect-error a length is no point in time
  const length: Instant = seconds(5);
  expect([bare, point, length]).toEqual([5, 5, 5000]);
});
