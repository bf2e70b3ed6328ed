/**
 * "Did you mean": the known key that is nearest to a mistyped one.
 *
 * Source: optimal string alignment distance (Levenshtein with swapped neighbours).
 */

/** Edits from one word to the other: insert, delete, replace, or swap two neighbours. */
export function editDistance(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const cost = one[row - 1] === other[column - 1] ? 0 : 1;
      const swapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + cost,
        swapped ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[other.length] ?? 0;
}

// Words beyond this are no typing error, and the distance costs their product.
const LONGEST = 64;

/**
 * The nearest of `known`, or null when none is near: at most a third of its letters may differ.
 * A key whose unit was left out or is another (`lease_duration`, `lease_duration_s`) is near.
 */
export function nearest(word: string, known: readonly string[]): string | null {
  if (word.length > LONGEST) return null;
  const plain = (key: string): string =>
    key
      .toLowerCase()
      .replaceAll('-', '_')
      .replace(/_(?:ms|s|bytes|percent)$/, '');
  // Whole words too, for an error within the unit itself (`drift_pecent`).
  const distances = known.map((key) => ({
    key,
    distance: Math.min(
      editDistance(plain(word), plain(key)),
      editDistance(word.toLowerCase(), key.toLowerCase()),
    ),
  }));
  distances.sort((one, other) => one.distance - other.distance);
  const [best] = distances;
  if (best === undefined) return null;
  return best.distance <= Math.max(1, Math.floor(plain(best.key).length / 3)) ? best.key : null;
}
