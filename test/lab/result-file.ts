/**
 * The one result format of every measuring command (demo, sim, lab, bench):
 * `--json FILE` gets `{ command, commit, k3s, started_at, figures, ok }`, and the same figures are
 * printed as a table. The machine lab adds `cases_played`, a row for each case and round. Names are
 * stable; whoever compares two runs relies on them.
 *
 * A bar is a comparison as text, for example `<= 12`, so that a reader of the file needs no table
 * of directions. It does not average or round values: what is written is what was measured.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** One comparison with a number, or null where there is only something to know. */
export type Bar = `${'<=' | '>=' | '='} ${number}` | null;

export interface Figure {
  readonly name: FigureName;
  /** Null when it could not be measured: with a bar, that counts as missed. */
  readonly value: number | null;
  readonly unit: string;
  readonly bar: Bar;
}

/** Name → unit and the project's bar. test/README.md lists the same names for people. */
export const figureNames = {
  api_gap_p50_s: { unit: 's', bar: '<= 12', what: 'API unreachable per failover, median' },
  api_gap_p99_s: { unit: 's', bar: '<= 16', what: 'the same, 99 of 100, nearest rank' },
  api_gap_max_s: { unit: 's', bar: '<= 15', what: 'API unreachable per failover, longest' },
  lag_p50_ms: { unit: 'ms', bar: '<= 15', what: 'client’s answer to receiver’s acknowledgement' },
  lag_p99_ms: { unit: 'ms', bar: '<= 60', what: 'the same, 99 of 100' },
  acknowledged_writes: { unit: 'writes', bar: null, what: 'writes the API said yes to' },
  lost_acknowledged_writes: { unit: 'writes', bar: '= 0', what: 'older than 250 ms at the kill' },
  lost_recent_writes: { unit: 'writes', bar: null, what: 'younger than 250 ms at the kill' },
  at_risk_max_ms: {
    unit: 'ms',
    bar: '<= 250',
    what: 'longest stretch of acknowledged writes lost',
  },
  two_servers_observed: { unit: 'times', bar: '= 0', what: 'two servers answered at once' },
  failovers: { unit: 'times', bar: null, what: 'changes of master that a fault called for' },
  unwanted_failovers: { unit: 'times', bar: '= 0', what: 'changes of master without need' },
  agent_rss_mb: { unit: 'MB', bar: '<= 95', what: 'largest agent, resident' },
  agent_anon_mb: { unit: 'MB', bar: '<= 36', what: 'largest agent, anonymous' },
  coordinator_rss_mb: { unit: 'MB', bar: null, what: 'largest coordinator, resident' },
  coordinator_anon_mb: { unit: 'MB', bar: '<= 48', what: 'largest coordinator, anonymous' },
  agent_idle_cpu_percent: { unit: '%', bar: '<= 1', what: 'of one core, no writes' },
  schedules: { unit: 'schedules', bar: null, what: 'simulated schedules' },
  schedules_per_s: { unit: '1/s', bar: '>= 400', what: 'simulated schedules per second' },
  violations: { unit: 'schedules', bar: '= 0', what: 'schedules that broke a property' },
  mutants: { unit: 'mutants', bar: null, what: 'deliberate errors tried in the simulator' },
  mutants_surviving: { unit: 'mutants', bar: '= 0', what: 'errors that no checker caught' },
  cases: { unit: 'cases', bar: null, what: 'machine lab: cases played once each' },
  rounds: { unit: 'rounds', bar: null, what: 'machine lab: random cases' },
  cases_failed: { unit: 'cases', bar: '= 0', what: 'cases and rounds that went wrong' },
  thawed_server_answers: { unit: 'answers', bar: '= 0', what: 'of a server thawed after a hang' },
  deadman_rss_mb: { unit: 'MB', bar: '<= 2', what: 'dead man’s switch, resident' },
  deadman_with_sleep_mb: { unit: 'MB', bar: null, what: 'with its `sleep`, shared pages once' },
  deadman_cpu_percent: { unit: '%', bar: '<= 0.3', what: 'of one core, dead man’s switch' },
  litestream_at_risk_max_ms: { unit: 'ms', bar: null, what: 'Litestream beside, same load' },
  litestream_ratio: { unit: '×', bar: null, what: 'Litestream’s time at risk ÷ ours' },
} as const satisfies Record<string, { unit: string; bar: Bar; what: string }>;

export type FigureName = keyof typeof figureNames;

export interface Result {
  /** As typed, for example `demo --nodes 3`. */
  readonly command: string;
  /** Short commit, `+changes` behind it when the tree is not clean; `unknown` without git. */
  readonly commit: string;
  /** First line of the control plane's `--version`, or `none`. */
  readonly k3s: string;
  /** ISO 8601, UTC. */
  readonly started_at: string;
  readonly figures: readonly Figure[];
  /** The machine lab's cases and rounds, in the order of ending. */
  readonly cases_played?: readonly Readonly<Record<string, unknown>>[];
  readonly ok: boolean;
}

/** A figure with its unit and bar from the list; `bar` replaces it where the run has no bar. */
export const figure = (name: FigureName, value: number | null, bar?: Bar): Figure => ({
  name,
  value,
  unit: figureNames[name].unit,
  bar: bar === undefined ? figureNames[name].bar : bar,
});

/** Whether the value reaches the bar. Without a bar always, without a value never. */
export const reaches = ({ value, bar }: Pick<Figure, 'value' | 'bar'>): boolean => {
  if (bar === null) return true;
  if (value === null || Number.isNaN(value)) return false;
  const [sign = '', limit = ''] = bar.split(' ');
  if (sign === '<=') return value <= Number(limit);
  return sign === '>=' ? value >= Number(limit) : value === Number(limit);
};

/** The commit of the checkout around `folder`. */
const currentCommit = (folder: string = join(import.meta.dirname, '../..')): string => {
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    const commit = git('rev-parse', '--short=12', 'HEAD').trim();
    return git('status', '--porcelain').trim() === '' ? commit : `${commit}+changes`;
  } catch {
    return 'unknown'; // No git, or a tree that was unpacked instead of cloned.
  }
};

/** `ok` is true only when every bar is reached and `conditions` (what no figure says) hold. */
export const makeResult = (of: {
  command: string;
  k3s: string;
  startedAt: Date;
  figures: readonly Figure[];
  casesPlayed?: Result['cases_played'];
  conditions?: readonly boolean[];
}): Result => ({
  command: of.command,
  commit: currentCommit(),
  k3s: of.k3s,
  started_at: of.startedAt.toISOString(),
  figures: of.figures,
  ...(of.casesPlayed === undefined ? {} : { cases_played: of.casesPlayed }),
  ok: of.figures.every(reaches) && (of.conditions ?? []).every(Boolean),
});

/**
 * What must never happen has the bar `= 0`. These decide the exit status of a run with faults; how
 * fast and how small is `ok`'s business, for a busy machine must not look like an unsafe one.
 */
export const isSafe = (figures: readonly Figure[]): boolean =>
  figures.every((one) => one.bar !== '= 0' || reaches(one));

const shown = (value: number | null): string => {
  if (value === null) return 'not measured';
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 2 : 1);
};

/** The figures as a table, one line per figure, widths by content. No colours, no final newline. */
export const figureTable = (figures: readonly Figure[]): string => {
  const head = ['figure', 'value', 'unit', 'bar', ''];
  const rows = figures.map((one) => [
    one.name,
    shown(one.value),
    one.unit,
    one.bar ?? '-',
    one.bar === null ? '' : reaches(one) ? 'ok' : 'MISSED',
  ]);
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => (row[column] ?? '').length)),
  );
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        (column === 1 ? cell.padStart : cell.padEnd).call(cell, widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [head, ...rows].map(line).join('\n');
};

/** Prints the table and the verdict; writes the file too when one was asked for. */
export const publishResult = (
  result: Result,
  options: { json?: string | undefined; print?: (line: string) => void } = {},
): void => {
  const print = options.print ?? console.log;
  print(figureTable(result.figures));
  print(`control plane: ${result.k3s} · commit ${result.commit} · ${result.ok ? 'ok' : 'NOT OK'}`);
  if (options.json === undefined) return;
  mkdirSync(dirname(options.json), { recursive: true });
  writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
};
