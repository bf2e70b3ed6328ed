/**
 * The cluster as one person wants to know it, drawn from the reports: who is master, who would be
 * next, what a death would cost, how many more may fail. Pure; no words and no colours here.
 *
 * It is a view from one node: a node without a report may be dead, or only out of reach of here.
 * Nothing safe is decided from it. Source of the order of candidates: LEASE rule L14 (the better
 * replica by lineage epoch and revision, then the scout's ranking, then the name).
 */
import type { NodeReport } from '../../../shared/protocol/report.ts';
import type { StatusAnswer } from '../control.ts';
import { byName } from './words.ts';

/** How far a receiver is behind the master's datastore. */
export type Behind =
  | { readonly kind: 'measured'; readonly revisions: number; readonly ms: number }
  /** Eligible, but the master does not stream to it. */
  | { readonly kind: 'not-streaming' }
  /** Holds no replica by its role, or is the master itself. */
  | { readonly kind: 'none' };

export interface NodeRow {
  readonly name: string;
  /** Null: the cluster counts on this node, but nothing has been heard of it. */
  readonly report: NodeReport | null;
  /** For how long it has been silent, milliseconds; null when it is heard, or never was. */
  readonly silentMs: number | null;
  readonly isMaster: boolean;
  readonly isSelf: boolean;
  /** Stands in the member list: its vote counts now. */
  readonly member: boolean;
  readonly behind: Behind;
}

export interface ClusterView {
  readonly epoch: number;
  /** The node that holds the lease, as far as this node knows. */
  readonly master: string | null;
  readonly masterReport: NodeReport | null;
  /** Others that still call themselves master, under an older epoch. */
  readonly stale: readonly NodeReport[];
  readonly rows: readonly NodeRow[];
  readonly members: readonly string[];
  readonly majority: number;
  /** Members that have reported. */
  readonly reachable: readonly string[];
  /** Members that may still fail before no majority is left; negative when none is there now. */
  readonly spare: number;
  /** Candidates if the master died now, best first. */
  readonly next: readonly string[];
  /** False with two voters and no witness: then nobody is promoted alone (rule L12). */
  readonly promotesAlone: boolean;
}

/**
 * Three reports missed: one comes each 4 s, or each 10 s from an agent whose brokers are not ours
 * (agent/actions/publisher.ts).
 */
const SILENT_MS = 13_000;
/** A master's last word, once this node knows of none: its lease has run out since. */
const LAST_WORD_MS = 5000;

/** The answer without the reports of nodes that have gone silent. */
export function heardOnly(answer: StatusAnswer): StatusAnswer {
  const fresh = answer.reports.filter(({ node }) => silence(node, answer) === null);
  return { ...answer, reports: fresh };
}

function silence(node: string, { self, heard, reports }: StatusAnswer): number | null {
  if (node === self.node) return null;
  const ago = heard.find((one) => one.node === node)?.ago_ms ?? 0;
  const isOver = (report: NodeReport): boolean =>
    report.node === node && report.role === 'master' && report.epoch <= self.epoch;
  const limit = self.master === null && reports.some(isOver) ? LAST_WORD_MS : SILENT_MS;
  return ago < limit ? null : ago;
}

/** Builds the view. The highest epoch wins wherever two reports disagree. */
export function clusterView(everything: StatusAnswer): ClusterView {
  const answer = heardOnly(everything);
  const others = answer.reports.filter(({ node }) => node !== answer.self.node);
  const reports = [...others, answer.self];
  const masters = reports
    .filter((report) => report.role === 'master')
    .sort((one, other) => other.epoch - one.epoch);
  const epoch = Math.max(0, ...reports.map((report) => report.epoch));
  const holder = masters.find((report) => report.epoch === epoch) ?? null;
  const followed = reports.find((report) => report.epoch === epoch && report.master !== null);
  const master = holder?.node ?? followed?.master ?? null;
  const masterReport = reports.find((report) => report.node === master) ?? null;
  const list = newestList(reports);
  const members = [...(list?.members ?? [])].sort(byName);
  const reachable = members.filter((name) => reports.some((report) => report.node === name));
  const majority = Math.floor(members.length / 2) + 1;
  return {
    epoch,
    master,
    masterReport,
    stale: masters.filter((report) => report.node !== master),
    rows: rows(everything, reports, members, master, masterReport),
    members,
    majority,
    reachable,
    spare: reachable.length - majority,
    next: candidates(answer, reports, members, master, masterReport),
    promotesAlone: members.length !== 2,
  };
}

const newestList = (reports: readonly NodeReport[]): NodeReport['list'] =>
  reports
    .flatMap((report) => (report.list === null ? [] : [report.list]))
    .sort((one, other) => other.epoch - one.epoch || other.number - one.number)[0] ?? null;

function rows(
  answer: StatusAnswer,
  reports: readonly NodeReport[],
  members: readonly string[],
  master: string | null,
  masterReport: NodeReport | null,
): NodeRow[] {
  const streams = masterReport?.receivers ?? [];
  const ranked = answer.ranking?.order ?? [];
  const names = new Set([
    ...answer.reports.map((report) => report.node),
    answer.self.node,
    ...members,
    ...streams.map((receiver) => receiver.node),
    ...ranked.map((entry) => entry.node),
    ...(master === null ? [] : [master]),
  ]);
  const row = (name: string): NodeRow => {
    const report = reports.find((one) => one.node === name) ?? null;
    return {
      name,
      report,
      silentMs: report === null ? silence(name, answer) : null,
      isMaster: name === master,
      isSelf: name === answer.self.node,
      member: members.includes(name),
      behind: behind(name, report, master, masterReport),
    };
  };
  return [...names]
    .map(row)
    .sort(
      (one, other) => Number(other.isMaster) - Number(one.isMaster) || byName(one.name, other.name),
    );
}

function behind(
  name: string,
  report: NodeReport | null,
  master: string | null,
  masterReport: NodeReport | null,
): Behind {
  if (name === master) return { kind: 'none' };
  const stream = masterReport?.receivers.find((receiver) => receiver.node === name);
  if (stream !== undefined) {
    return { kind: 'measured', revisions: stream.lag_revisions, ms: stream.lag_ms };
  }
  const streamable = report?.eligible === true && masterReport !== null;
  return streamable ? { kind: 'not-streaming' } : { kind: 'none' };
}

/**
 * A node that is fenced, or that still calls itself master, is nobody's successor now; nor is one
 * without rows, as soon as anybody has some (LEASE rule L14).
 */
function candidates(
  answer: StatusAnswer,
  reports: readonly NodeReport[],
  members: readonly string[],
  master: string | null,
  masterReport: NodeReport | null,
): string[] {
  const place = (name: string): number => {
    const at = (answer.ranking?.order ?? []).findIndex((entry) => entry.node === name);
    return at < 0 ? Number.MAX_SAFE_INTEGER : at;
  };
  return reports
    .filter((report) => report.eligible && report.node !== master && members.includes(report.node))
    .filter((report) => report.role !== 'fenced' && report.role !== 'master')
    .map((report) => toldOf(report, masterReport))
    .filter(({ revision }) => revision > 0 || reports.every((one) => one.revision === 0))
    .sort(
      (one, other) =>
        further(one, other) || place(one.node) - place(other.node) || byName(one.node, other.node),
    )
    .map((candidate) => candidate.node);
}

type Place = Pick<NodeReport, 'node' | 'lineage_epoch' | 'revision'>;

const further = (one: Place, other: Place): number =>
  other.lineage_epoch - one.lineage_epoch || other.revision - one.revision;

/**
 * What the master has from a receiver, else its own report. The master compares all of them at one
 * moment; their own words are from different ones, and under writes the latest would lead.
 */
const toldOf = (report: NodeReport, masterReport: NodeReport | null): Place =>
  masterReport?.receivers.find((receiver) => receiver.node === report.node) ?? report;
