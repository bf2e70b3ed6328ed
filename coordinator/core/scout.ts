/**
 * The scout: which receiver should become master next, and why (DESIGN section 5).
 *
 * Pure. It works on what nodes report of themselves, so it may be wrong, late or lied to; the
 * lease decides by replica positions that voters know, and asks this order only among equals. A
 * wrong order costs time, never safety.
 *
 * A node begins with 100 points plus the user's weight; everything against it takes points away,
 * each with a reason in words, so that `baton why` can show the sum.
 */
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import type { NodeReport, Ranking } from '../../shared/protocol/report.ts';

/** A node of the settings, in their order. */
export interface ScoutNode {
  readonly name: NodeName;
  readonly eligible: boolean;
  /** Points the user adds (or, below zero, takes away). */
  readonly weight: number;
}

/** What the coordinator knows of one node. */
export interface Sighting {
  /** The latest report that was valid, null when none arrived. */
  readonly report: NodeReport | null;
  /** False after its will said `offline`. */
  readonly online: boolean;
  /** Milliseconds since the last report. */
  readonly ageMs: number;
}

export interface ScoutInput {
  readonly coordinator: string;
  readonly nodes: readonly ScoutNode[];
  readonly sightings: ReadonlyMap<NodeName, Sighting>;
  /** Not ranked: it serves already. Null when there is none. */
  readonly master: NodeName | null;
  /** A report older than this says nothing about now, milliseconds. */
  readonly silentAfterMs: number;
}

export const START_POINTS = 100;

/** Points of everything that speaks against a node. Larger steps never sum up from smaller ones. */
export const penalties = {
  absent: 1000,
  emptyReplica: 600,
  sittingOut: 500,
  olderLineage: 400,
  /** One point per revision behind, at most. */
  revisionsBehindMost: 200,
  justBooted: 150,
  slowAcknowledgement: 30,
  otherFinding: 5,
} as const;

/**
 * Findings that matter for serving: a replica that may not become a server (agent/stream/api.ts),
 * and power and storage that may fail next, as DESIGN section 5 names them. A finding that is not
 * listed costs `otherFinding`; those that only tell of the past cost nothing.
 */
export const findingPenalties: Readonly<Record<string, number>> = {
  'token-mismatch': 450,
  'replica-damaged': 350,
  'replica-differs': 350,
  'archive-refused': 300,
  'stream-refused': 200,
  'source-failed': 100,
  'read-only-file-system': 150,
  'disk-full': 150,
  'input-output': 120,
  'storage-failing': 120,
  undervoltage: 80,
  'on-battery': 60,
  'memory-low': 60,
  'over-temperature': 40,
  'same-ups': 20,
  wireless: 15,
  'lone-revisions': 0,
  'lost-revisions': 0,
  'server-quarantined': 0,
};

/** Writes under way are not a lag: a healthy receiver is this close, revisions. */
const UNDER_WAY = 5;
const SLOW_LAG_MS = 250;

interface Points {
  readonly points: number;
  readonly reason: string;
}

const minus = (points: number, reason: string): Points => ({ points: -points, reason });

interface Best {
  readonly lineage: number;
  readonly revision: number;
}

/** The furthest replica or datastore anybody reports. */
const bestPosition = (sightings: ReadonlyMap<NodeName, Sighting>): Best => {
  let best: Best = { lineage: 0, revision: 0 };
  for (const { report } of sightings.values()) {
    if (report === null) continue;
    const { lineage_epoch: lineage, revision } = report;
    const further =
      lineage > best.lineage || (lineage === best.lineage && revision > best.revision);
    if (further) best = { lineage, revision };
  }
  return best;
};

const presence = (sighting: Sighting | undefined, input: ScoutInput): Points[] => {
  if (sighting?.report == null) return [minus(penalties.absent, 'has not reported yet')];
  if (!sighting.online) return [minus(penalties.absent, 'is offline')];
  if (sighting.ageMs <= input.silentAfterMs) return [];
  return [minus(penalties.absent, `has not reported for ${Math.round(sighting.ageMs / 1000)} s`)];
};

/** One line of the master's report: what it knows of its stream to one receiver. */
type Stream = NodeReport['receivers'][number];

/** Null without a master, and for a receiver that it does not send to. */
const streamTo = (node: NodeName, input: ScoutInput): Stream | null => {
  const master = input.master === null ? null : input.sightings.get(input.master)?.report;
  return master?.receivers.find((receiver) => receiver.node === node) ?? null;
};

const replica = (report: NodeReport, best: Best, stream: Stream | null): Points[] => {
  if (best.revision > 0 && report.revision === 0) {
    return [minus(penalties.emptyReplica, 'holds no revision yet')];
  }
  if (report.lineage_epoch < best.lineage) {
    const text = `its replica is of epoch ${report.lineage_epoch}, the best of ${best.lineage}`;
    return [minus(penalties.olderLineage, text)];
  }
  // Two reports are of two moments: under load their difference would be noise. The master's own
  // figure is of one moment.
  const behind = Math.round(stream?.lag_revisions ?? best.revision - report.revision);
  if (behind <= UNDER_WAY) return [];
  return [minus(Math.min(penalties.revisionsBehindMost, behind), `${behind} revisions behind`)];
};

const lag = (stream: Stream | null): Points[] => {
  if (stream === null || stream.lag_ms <= SLOW_LAG_MS) return [];
  const text = `acknowledges ${Math.round(stream.lag_ms)} ms late`;
  return [minus(penalties.slowAcknowledgement, text)];
};

const health = (report: NodeReport): Points[] => {
  const points: Points[] = [];
  if (report.phase === 'sitting_out') {
    points.push(minus(penalties.sittingOut, 'failed a promotion and sits out'));
  }
  if (report.phase === 'silent' || report.phase === 'learning') {
    points.push(minus(penalties.justBooted, 'just booted, may not stand yet'));
  }
  const seen = new Set<string>();
  for (const { code } of report.findings) {
    if (seen.has(code)) continue;
    seen.add(code);
    const penalty = penaltyOf(code);
    if (penalty > 0) points.push(minus(penalty, `finding ${code}`));
  }
  return points;
};

const penaltyOf = (code: string): number =>
  // A finding called `constructor` must not read a function from the prototype.
  Object.hasOwn(findingPenalties, code)
    ? (findingPenalties[code] ?? penalties.otherFinding)
    : penalties.otherFinding;

const judge = (node: ScoutNode, input: ScoutInput, best: Best): Points[] => {
  const sighting = input.sightings.get(node.name);
  const points = presence(sighting, input);
  if (node.weight !== 0) points.push({ points: node.weight, reason: 'weight in the settings' });
  if (sighting?.report == null) return points;
  const stream = streamTo(node.name, input);
  return [
    ...points,
    ...replica(sighting.report, best, stream),
    ...lag(stream),
    ...health(sighting.report),
  ];
};

const signed = (points: number): string => (points > 0 ? `+${points}` : `${points}`);

/** Every eligible node but the master, best first; equals stay in the settings' order. */
export const rank = (input: ScoutInput): Ranking => {
  const best = bestPosition(input.sightings);
  const order = input.nodes
    .filter((node) => node.eligible && node.name !== input.master)
    .map((node) => {
      const points = judge(node, input, best);
      return {
        node: node.name,
        score: points.reduce((sum, one) => sum + one.points, START_POINTS),
        reasons:
          points.length === 0
            ? ['nothing speaks against it']
            : points.map((one) => `${signed(one.points)} ${one.reason}`),
      };
    })
    .sort((a, b) => b.score - a.score);
  return { coordinator: input.coordinator, order };
};
