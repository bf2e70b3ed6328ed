/**
 * What people see under `baton/cluster/`: a view of what the nodes report, never a decision.
 *
 * | item | value |
 * |---|---|
 * | `master` | the node that reports holding the lease, or `none` |
 * | `epoch` | the highest epoch anybody reports |
 * | `reason` | why it became master, in its own words; without one, what became of the last |
 * | `lag_revisions` | lag of the closest receiver, what a failover loses; or `no-receiver` |
 * | `ranking` | the receivers, best first |
 * | `scout/<node>/score`, `scout/<node>/reasons` | its points, and what they are made of |
 *
 * Pure. Two nodes may both report being master while news travels; the higher epoch is shown.
 */
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import type { NodeReport, Ranking } from '../../shared/protocol/report.ts';
import type { Sighting } from './scout.ts';

export interface ClusterView {
  readonly master: NodeName | null;
  readonly epoch: number;
  readonly reason: string;
  /** Null without a master, or without any receiver. */
  readonly lagRevisions: number | null;
}

/** The master by the reports: connected, not silent, highest epoch. */
const masterOf = (
  sightings: ReadonlyMap<NodeName, Sighting>,
  silentAfterMs: number,
): NodeReport | null => {
  let master: NodeReport | null = null;
  for (const { report, online, ageMs } of sightings.values()) {
    if (report === null || !online || ageMs > silentAfterMs) continue;
    if (report.role !== 'master') continue;
    if (master === null || report.epoch > master.epoch) master = report;
  }
  return master;
};

/** The first word of this epoch tells how it came about; the later ones tell how it goes on. */
const becameMaster = ({ epoch, reasons }: NodeReport): string =>
  (reasons.find((one) => one.epoch === epoch) ?? reasons.at(-1))?.reason ?? '';

/** The last that said it was master, silent and offline ones included. */
const lastMaster = (sightings: ReadonlyMap<NodeName, Sighting>): Sighting | null => {
  let last: Sighting | null = null;
  for (const sighting of sightings.values()) {
    if (sighting.report?.role !== 'master') continue;
    if (sighting.report.epoch > (last?.report?.epoch ?? -1)) last = sighting;
  }
  return last;
};

const whyNone = (sightings: ReadonlyMap<NodeName, Sighting>): string => {
  const last = lastMaster(sightings);
  if (last?.report == null) return 'nobody reports holding the lease';
  const { node, epoch } = last.report;
  const state = last.online ? 'reports nothing any more' : 'is offline';
  return `${node}, master of epoch ${epoch}, ${state}`;
};

export const clusterView = (
  sightings: ReadonlyMap<NodeName, Sighting>,
  silentAfterMs: number,
): ClusterView => {
  const master = masterOf(sightings, silentAfterMs);
  const epochs = [...sightings.values()].map(({ report }) => report?.epoch ?? 0);
  const lags = (master?.receivers ?? []).map((receiver) => receiver.lag_revisions);
  return {
    master: master?.node ?? null,
    epoch: Math.max(0, ...epochs),
    reason: master === null ? whyNone(sightings) : becameMaster(master),
    lagRevisions: lags.length === 0 ? null : Math.min(...lags),
  };
};

/** The view as items of `baton/cluster/`, each one value on one line. */
export const clusterItems = (view: ClusterView, ranking: Ranking): ReadonlyMap<string, string> => {
  const items = new Map([
    ['master', view.master ?? 'none'],
    ['epoch', String(view.epoch)],
    ['reason', view.reason.replaceAll(/\s+/g, ' ').trim() || 'none'],
    ['lag_revisions', view.lagRevisions === null ? 'no-receiver' : String(view.lagRevisions)],
    ['ranking', ranking.order.map((entry) => entry.node).join(' ') || 'none'],
  ]);
  for (const { node, score, reasons } of ranking.order) {
    items.set(`scout/${node}/score`, String(score));
    items.set(`scout/${node}/reasons`, reasons.join('; '));
  }
  return items;
};
