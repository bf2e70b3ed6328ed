/**
 * Randomness that replays exactly from a seed. Never for keys or nonces of a real node.
 *
 * Source: sfc32 of PractRand (Chris Doty-Humphrey), seeded by splitmix32 so that near seeds give
 * unlike sequences.
 */
import { invariant } from '../../errors/baton-error.ts';
import type { Random } from '../random.ts';

/** A generator of whole numbers in [0, 2^32). */
function sfc32(seed: number): () => number {
  let mix = seed >>> 0;
  const word = (): number => {
    mix = (mix + 0x9e3779b9) | 0;
    let mixed = Math.imul(mix ^ (mix >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  };
  let [a, b, c, counter] = [word(), word(), word(), 1];
  return () => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return result >>> 0;
  };
}

export function seededRandom(seed: number): Random {
  const next = sfc32(seed);
  // 53 bits, all that a number in [0, 1) can hold: 26 from one draw, 27 from the other.
  const unit = (): number => ((next() >>> 6) * 2 ** 27 + (next() >>> 5)) / 2 ** 53;
  return {
    hex: (bytes) => {
      invariant(Number.isSafeInteger(bytes) && bytes > 0, 'random bytes are counted', { bytes });
      const digits = () => (next() >>> 24).toString(16).padStart(2, '0');
      return Array.from({ length: bytes }, digits).join('');
    },
    unit,
    below: (bound) => {
      const usable = Number.isSafeInteger(bound) && bound > 0 && bound < 2 ** 48;
      invariant(usable, 'a random number needs a bound from 1 to 2^48 - 1', { bound });
      return Math.floor(unit() * bound);
    },
  };
}
