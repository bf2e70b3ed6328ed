/** A series of rounds as a table: what LAB.md holds. */
import { percentile } from '../verdict.ts';
import type { Verdict } from './verdict.ts';

const HEAD = [
  '| case | rounds | gap: least / median / most | lost recent | ok | not judged | wrong |',
  '|---|---|---|---|---|---|---|',
];

const gapsOf = (all: readonly Verdict[]): string => {
  const gaps = all.flatMap(({ gapMs }) => (gapMs === null ? [] : [gapMs / 1000]));
  if (gaps.length === 0) return '-';
  const shown = [0, 0.5, 1].map((share) => percentile(gaps, share)?.toFixed(1));
  return `${shown.join(' / ')} s`;
};

const rowOf = (name: string, all: readonly Verdict[]): string => {
  const wrong = all.filter((one) => one.wrong.length > 0).length;
  const open = all.filter((one) => one.wrong.length === 0 && one.notJudged.length > 0).length;
  const lost = all.reduce((sum, { lostRecent }) => sum + lostRecent, 0);
  const cells = [all.length, gapsOf(all), lost, all.length - wrong - open, open, wrong];
  return `| \`${name}\` | ${cells.join(' | ')} |`;
};

/** Markdown, one row for each kind of case, by name, and one for all of them. */
export const seriesTable = (all: readonly Verdict[]): string[] => {
  const kinds = Map.groupBy(all, ({ name }) => name);
  const rows = [...kinds].toSorted(([a], [b]) => (a < b ? -1 : 1)).map((one) => rowOf(...one));
  return [...HEAD, ...rows, rowOf('all', all)];
};
