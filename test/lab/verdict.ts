/**
 * The figures of a run with faults, in the one result format, from its rows and judges.
 *
 * The longest time at risk is that of power cuts: a frozen agent cannot send what its server goes
 * on taking, and the row of that fault shows for how long. Those writes are on the frozen node's
 * disk and are reported there.
 */
import type { FaultRow } from './fault-table.ts';
import { type Figure, figure } from './result-file.ts';
import type { DaemonUse } from './use.ts';

/** The row of a fault that no failover may follow, and of the start, are no failovers. */
const isFailover = ({ fault }: FaultRow): boolean =>
  fault === 'master killed' || fault.includes('frozen') || fault.startsWith('all');

const isKill = ({ fault }: FaultRow): boolean => fault.includes('killed');

/** By the nearest rank; null without values. */
export const percentile = (values: readonly number[], share: number): number | null => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
};

export const hasGapBars = (k3s: string, kills: number): boolean =>
  k3s !== 'embedded' && kills >= KILLS_FOR_GAP;

const sum = (rows: readonly FaultRow[], of: (row: FaultRow) => number): number =>
  rows.reduce((total, row) => total + of(row), 0);

export interface RunFacts {
  readonly rows: readonly FaultRow[];
  readonly acknowledged: number;
  readonly twoServers: number;
  readonly unwantedFailovers: number;
}

/** The bars of the API gap were set for the real control plane and this many kills. */
const KILLS_FOR_GAP = 10;

/**
 * Figures that every run with faults has. Gaps are those after unplanned deaths of the master;
 * without `gapBars` they are only shown.
 */
export const faultFigures = (facts: RunFacts, gapBars = true): Figure[] => {
  const { rows } = facts;
  const kills = rows.filter(isKill);
  const gaps = rows
    .filter(({ fault }) => fault === 'master killed')
    .map(({ apiGapMs }) => apiGapMs / 1000);
  const gapFigure = (name: `api_gap_${'p50' | 'p99' | 'max'}_s`, share: number): Figure => {
    const value = percentile(gaps, share);
    return gapBars ? figure(name, value) : figure(name, value, null);
  };
  return [
    gapFigure('api_gap_p50_s', 0.5),
    gapFigure('api_gap_p99_s', 0.99),
    gapFigure('api_gap_max_s', 1),
    figure('acknowledged_writes', facts.acknowledged),
    figure(
      'lost_acknowledged_writes',
      sum(rows, ({ lostOld }) => lostOld),
    ),
    figure(
      'lost_recent_writes',
      sum(kills, ({ lostRecent }) => lostRecent),
    ),
    figure('at_risk_max_ms', Math.max(0, ...kills.map(({ atRiskMs }) => atRiskMs))),
    figure('two_servers_observed', facts.twoServers),
    figure('failovers', rows.filter(isFailover).length),
    figure('unwanted_failovers', facts.unwantedFailovers),
  ];
};

/**
 * Above this the machine is busy with other work (the lab itself is idle then), and processor time
 * says more about that than about us: the figure keeps no bar.
 */
const TOO_BUSY = 0.5;

export const isTooBusy = ({ machineBusy }: DaemonUse): boolean => machineBusy > TOO_BUSY;

export const useFigures = (use: DaemonUse): Figure[] => [
  figure('agent_rss_mb', use.agentRssMb),
  figure('agent_anon_mb', use.agentAnonMb),
  figure('coordinator_rss_mb', use.coordinatorRssMb),
  figure('coordinator_anon_mb', use.coordinatorAnonMb),
  isTooBusy(use)
    ? figure('agent_idle_cpu_percent', use.agentIdleCpuPercent, null)
    : figure('agent_idle_cpu_percent', use.agentIdleCpuPercent),
];
