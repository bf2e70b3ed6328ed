/** Which case comes next: from a seed, so that a series can be played again. */
import { seededRandom } from '../../../shared/ports/fakes/seeded-random.ts';

/** Each case before any comes twice, in an order that the seed gives; and so on. */
export const seededChoice = <T>(all: readonly T[], seed: number): (() => T) => {
  const random = seededRandom(seed);
  let left: T[] = [];
  return () => {
    if (left.length === 0) left = [...all];
    const [one] = left.splice(random.below(left.length), 1);
    return one as T;
  };
};
