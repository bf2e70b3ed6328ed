/**
 * Figures as words for people: lengths of time, counts, lists of names. Pure.
 *
 * People read these; programs take `--json`, where every figure keeps its unit in its name.
 */

/** `840 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`. Negative counts as 0. */
export function duration(milliseconds: number): string {
  const ms = Math.max(0, Math.round(milliseconds));
  if (ms < 1000) return `${ms} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 3600) return pair(s, 60, 'min', 's');
  const min = Math.round(s / 60);
  if (min < 1440) return pair(min, 60, 'h', 'min');
  return pair(Math.round(min / 60), 24, 'd', 'h');
}

const pair = (value: number, base: number, large: string, small: string): string => {
  const rest = value % base;
  const head = `${Math.floor(value / base)} ${large}`;
  return rest === 0 ? head : `${head} ${rest} ${small}`;
};

/** `just now` below a second, else `4.2 s ago`. */
export const ago = (milliseconds: number): string =>
  milliseconds < 1000 ? 'just now' : `${duration(milliseconds)} ago`;

/** `1 node`, `3 nodes`. */
export const count = (number: number, noun: string, plural = `${noun}s`): string =>
  `${number} ${number === 1 ? noun : plural}`;

/** `a`, `a and b`, `a, b and c`. */
export const list = (names: readonly string[]): string =>
  names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

/** Names compared so that pi2 comes before pi10. */
export const byName = (one: string, other: string): number =>
  one.localeCompare(other, 'en', { numeric: true });
