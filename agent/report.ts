/**
 * What this node says of itself: the NodeReport for machines and the topics for people.
 *
 * Both are views of the core's state, the stream and this process; nothing safe is ever decided
 * from them. Pure: the caller reads clocks and files. Topics carry one value each with the unit in
 * the name (DESIGN section 6); values that did not change are not published again.
 */

import type { NodeReport } from '../shared/protocol/report.ts';
import { nodeTopic } from '../shared/protocol/topics.ts';
import { type Instant, left } from '../shared/time/duration.ts';
import type { TimelineEntry } from './actions/promotion-timeline.ts';
import type { CoreView, DatastoreFacts, NodeEntry } from './core/types.ts';
import type { ReceiverProgress } from './stream/api.ts';

/** Figures of this process; `anon_mb` is RssAnon of /proc/self/status. */
export interface ProcessFigures {
  readonly rss_mb: number;
  readonly anon_mb: number;
  readonly cpu_s: number;
}

export interface ReportSources {
  readonly view: CoreView;
  readonly self: NodeEntry;
  readonly now: Instant;
  readonly bootId: string;
  readonly startedMs: number;
  readonly sequence: number;
  /** `host:port` of the master that is followed, or of this node while it serves. */
  readonly api: string | null;
  readonly datastore: DatastoreFacts | null;
  readonly receivers: readonly ReceiverProgress[];
  /** Which server program runs here, in words: `k3s (systemd)`, a path, …; never empty. */
  readonly k3s: string;
  readonly figures: ProcessFigures;
  readonly findings: readonly { readonly code: string; readonly text: string }[];
  readonly promotion: readonly TimelineEntry[];
}

export function buildReport(sources: ReportSources): NodeReport {
  const { view, self, now, datastore, figures } = sources;
  return {
    node: view.node,
    boot_id: sources.bootId,
    sequence: sources.sequence,
    started_ms: sources.startedMs,
    eligible: self.eligible,
    voter: self.voter,
    role: view.role,
    phase: view.phase,
    epoch: view.epoch,
    master: view.master,
    api: sources.api,
    list: view.list,
    lease_left_ms: view.deadline === null ? null : left(now, view.deadline),
    lineage_epoch: datastore?.lineageEpoch ?? 0,
    revision: datastore?.revision ?? 0,
    // One that was cut off keeps the lag of its last moment, which would pass for "in step".
    receivers: sources.receivers.filter(({ connected }) => connected).map(receiverLine),
    k3s: sources.k3s,
    memory: { rss_mb: figures.rss_mb, anon_mb: figures.anon_mb },
    cpu_s: figures.cpu_s,
    reasons: view.reasons.map(({ at, epoch, reason }) => ({ ago_ms: now - at, epoch, reason })),
    findings: sources.findings.map(({ code, text }) => ({ code, text })),
    promotion: sources.promotion,
  };
}

const receiverLine = (progress: ReceiverProgress): NodeReport['receivers'][number] => ({
  node: progress.node,
  lineage_epoch: progress.position.lineageEpoch,
  revision: progress.position.revision,
  lag_revisions: progress.lagRevisions,
  lag_ms: Math.round(progress.lagMilliseconds),
});

/** The parts of a report whose change is worth saying at once. */
export const urgentPart = (report: NodeReport): string =>
  JSON.stringify([
    report.role,
    report.phase,
    report.epoch,
    report.master,
    report.api,
    report.list,
    report.findings,
    report.promotion,
  ]);

/** Topic and value of everything that people see of this node. */
export function peopleTopics(report: NodeReport): ReadonlyMap<string, string> {
  const topics = new Map<string, string>();
  const say = (area: string, item: string, value: string | number): void => {
    topics.set(nodeTopic(report.node, area, item), String(value));
  };
  say('lease', 'role', report.role);
  say('lease', 'phase', report.phase);
  say('lease', 'epoch', report.epoch);
  say('lease', 'master', report.master ?? 'none');
  if (report.eligible) {
    say('replica', 'lineage_epoch', report.lineage_epoch);
    say('replica', 'revision', report.revision);
  }
  for (const receiver of report.receivers) {
    say(`stream/${receiver.node}`, 'lag_revisions', receiver.lag_revisions);
    say(`stream/${receiver.node}`, 'lag_ms', receiver.lag_ms);
  }
  // Tenths would be a new message on every broker with each report.
  say('agent', 'rss_mb', Math.round(report.memory.rss_mb));
  say('agent', 'anon_mb', Math.round(report.memory.anon_mb));
  say('agent', 'findings', report.findings.length);
  return topics;
}
