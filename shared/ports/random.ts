/**
 * The port for randomness. Real adapter: shared/adapters/system-random.ts (node:crypto).
 * Fake: shared/ports/fakes/seeded-random.ts, which replays exactly from a seed.
 */
export interface Random {
  /** `bytes` random bytes as lowercase hexadecimal. */
  hex(bytes: number): string;
  /** A number in [0, 1). */
  unit(): number;
  /** A whole number in [0, bound). */
  below(bound: number): number;
}
