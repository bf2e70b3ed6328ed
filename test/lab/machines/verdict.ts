/** What came of each case, and the figures of a whole run. */
import { type Figure, figure } from '../result-file.ts';
import { percentile } from '../verdict.ts';
import { dearest, type SwitchCost } from './switch-cost.ts';

/** One line of the verdicts file. */
export interface Verdict {
  readonly name: string;
  /** Case or round, for people and folders. */
  readonly label: string;
  readonly seconds: number;
  readonly gapMs: number | null;
  readonly powerCut: boolean;
  readonly thawedAnswers: number | null;
  readonly twoServers: number;
  readonly acknowledged: number;
  readonly lostOld: number;
  readonly lostRecent: number;
  /** Finite: JSON knows nothing else. */
  readonly atRiskMs: number;
  readonly switchCost: SwitchCost | null;
  /** Most processes per core that waited for one meanwhile, as `loadavg` counts over a minute. */
  readonly load: number;
  /** What this host was too slow to test. */
  readonly notJudged: readonly string[];
  /** Empty: all is well. */
  readonly wrong: readonly string[];
}

/** More waiting processes per core leave none for an agent in time. */
export const MOST_LOAD = 4;

/** A stream that is starved of processor time lags by less. */
const MOST_LAG_MS = 5000;

/**
 * Whether it says more about the host than about baton. Two servers, answers after a thaw, and the
 * loss of a write that was there for a while, are wrong on any host.
 */
export const isHostsFault = (verdict: Verdict): boolean => {
  const { load, wrong, twoServers, thawedAnswers, lostOld, atRiskMs } = verdict;
  const lags = lostOld === 0 || atRiskMs < MOST_LAG_MS;
  const never = twoServers > 0 || (thawedAnswers ?? 0) > 0 || !lags;
  return wrong.length > 0 && load >= MOST_LOAD && !never;
};

const sum = (all: readonly Verdict[], of: (one: Verdict) => number): number =>
  all.reduce((total, one) => total + of(one), 0);

/**
 * `planned`: how many cases and rounds were asked for; what was not played counts as failed.
 * `barred`: gaps are held to their bars, which were set for the real control plane.
 */
export const machineFigures = (
  all: readonly Verdict[],
  planned: number,
  barred: boolean,
): Figure[] => {
  const gapBar = barred ? undefined : null;
  const cuts = all.filter(({ powerCut }) => powerCut);
  const gaps = cuts.flatMap(({ gapMs }) => (gapMs === null ? [] : [gapMs / 1000]));
  const thaws = all.flatMap(({ thawedAnswers }) => thawedAnswers ?? []);
  const costs = all.flatMap(({ switchCost }) => switchCost ?? []);
  const cost = costs.length === 0 ? null : dearest(costs);
  const rounds = all.filter(({ label }) => label.startsWith('round-')).length;
  const bad = all.filter(({ wrong }) => wrong.length > 0).length;
  const thawed = thaws.reduce((total, one) => total + one, 0);
  return [
    figure('cases', all.length - rounds),
    figure('rounds', rounds),
    figure('cases_failed', bad + Math.max(0, planned - all.length)),
    figure(
      'two_servers_observed',
      sum(all, ({ twoServers }) => twoServers),
    ),
    ...(thaws.length === 0 ? [] : [figure('thawed_server_answers', thawed)]),
    ...(gaps.length === 0
      ? []
      : [
          figure('api_gap_p50_s', percentile(gaps, 0.5), gapBar),
          figure('api_gap_p99_s', percentile(gaps, 0.99), gapBar),
          figure('api_gap_max_s', percentile(gaps, 1), gapBar),
        ]),
    figure(
      'acknowledged_writes',
      sum(all, ({ acknowledged }) => acknowledged),
    ),
    figure(
      'lost_acknowledged_writes',
      sum(all, ({ lostOld }) => lostOld),
    ),
    figure(
      'lost_recent_writes',
      sum(cuts, ({ lostRecent }) => lostRecent),
    ),
    ...(cost === null
      ? []
      : [
          figure('deadman_rss_mb', cost.memory?.rssMb ?? null),
          figure('deadman_with_sleep_mb', cost.memory?.withSleepMb ?? null),
          figure('deadman_cpu_percent', cost.cpuPercent),
        ]),
  ];
};

/** The rows of `cases_played`. Their keys are stable, like the names of the figures. */
export const caseRows = (all: readonly Verdict[]) =>
  all.map((one) => ({
    name: one.name,
    label: one.label,
    seconds: one.seconds,
    gap_ms: one.gapMs,
    power_cut: one.powerCut,
    acknowledged: one.acknowledged,
    lost_old: one.lostOld,
    lost_recent: one.lostRecent,
    two_servers: one.twoServers,
    thawed_server_answers: one.thawedAnswers,
    wrong: one.wrong,
    not_judged: one.notJudged,
  }));

/** A table of the cases: one line each, for people and for LAB.md. */
export const caseTable = (all: readonly Verdict[]): string[] =>
  all.map(({ label, seconds, gapMs, lostRecent, notJudged, wrong }) => {
    const gap = gapMs === null ? '-' : `${(gapMs / 1000).toFixed(1)} s`;
    const good = notJudged.length === 0 ? 'ok' : `ok, not judged: ${notJudged.join('; ')}`;
    const verdict = wrong.length === 0 ? good : `WRONG: ${wrong.join('; ')}`;
    const time = `${seconds.toFixed(0)} s`.padStart(6);
    return `${label.padEnd(24)}${time}  gap ${gap.padStart(7)}  lost ${lostRecent}  ${verdict}`;
  });

/** The last line of a run, for whoever adds up: what was not played counts as failed. */
export const closingLine = (all: readonly Verdict[], planned: number): string => {
  const passed = all.filter(({ wrong }) => wrong.length === 0).length;
  return `${passed} passed, ${Math.max(all.length, planned) - passed} failed`;
};
