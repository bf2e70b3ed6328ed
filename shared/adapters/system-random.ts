/**
 * Real randomness from the kernel (node:crypto), for nonces and jitter alike.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { invariant } from '../errors/baton-error.ts';
import type { Random } from '../ports/random.ts';

// The widest range that randomInt draws without bias.
const WIDTH = 2 ** 48 - 1;

/** Errors: `invariant-broken` for a count or bound that is no positive whole number. */
export function systemRandom(): Random {
  return {
    hex: (bytes) => {
      invariant(Number.isSafeInteger(bytes) && bytes > 0, 'random bytes are counted', { bytes });
      return randomBytes(bytes).toString('hex');
    },
    unit: () => randomInt(WIDTH) / WIDTH,
    below: (bound) => {
      const usable = Number.isSafeInteger(bound) && bound > 0 && bound <= WIDTH;
      invariant(usable, 'a random number needs a bound from 1 to 2^48 - 1', { bound });
      return randomInt(bound);
    },
  };
}
