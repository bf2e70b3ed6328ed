/**
 * The simulator's only source of chance: one 53-bit seed gives the same numbers everywhere.
 *
 * sfc32 (PractRand's small fast counter), four 32-bit words of state, whitened by 12 draws. Not
 * for secrets. Separate streams of one seed (`stream`) keep the plan of a schedule apart from what
 * happens while it runs, so that dropping a fault does not plan another schedule.
 */
export interface SeededRandom {
  /** Uniform in [0, 1). */
  next(): number;
  /** Whole number, 0 ≤ result < `bound`. */
  below(bound: number): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(choices: readonly T[]): T;
}

/** `stream` is a small number that names what the numbers are for. */
export function seededRandom(seed: number, stream: number): SeededRandom {
  let a = seed >>> 0;
  let b = Math.floor(seed / 0x1_0000_0000) >>> 0;
  let c = (stream * 0x9e37_79b9) >>> 0;
  let d = 1;
  const next = (): number => {
    const t = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return (t >>> 0) / 0x1_0000_0000;
  };
  for (let i = 0; i < 12; i += 1) next();
  const below = (bound: number): number => Math.floor(next() * bound);
  return {
    next,
    below,
    between: (low, high) => low + next() * (high - low),
    chance: (probability) => next() < probability,
    pick: (choices) => choices[below(choices.length)] as (typeof choices)[number],
  };
}

/** Picks by weight; weights need not add up to anything. */
export function weighted<T>(random: SeededRandom, table: readonly (readonly [number, T])[]): T {
  let sum = 0;
  for (const [weight] of table) sum += weight;
  let left = random.next() * sum;
  for (const [weight, value] of table) {
    left -= weight;
    if (left < 0) return value;
  }
  return (table[table.length - 1] as readonly [number, T])[1];
}
