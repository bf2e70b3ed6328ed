/**
 * The newest report and ranking of everybody else, kept as the bytes that arrived.
 *
 * Each report comes once per broker and once per direct link; decoding all of them every second
 * would be most of an idle agent's work, so they are decoded only when somebody asks (`status`).
 * Views only: nothing safe is ever decided from them.
 */
import type { Keyring } from '../../shared/crypto/keyring.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import type { NodeReport, Ranking } from '../../shared/protocol/report.ts';
import { decodeRanking, decodeReport, openReport } from '../../shared/protocol/report-codec.ts';

export interface PeerReports {
  /** JSON from a broker; `from` is the topic's node. */
  byBroker(from: string, json: Uint8Array): void;
  /** Sealed bytes from a direct link. */
  byLink(from: string, sealed: Uint8Array): void;
  ranked(coordinator: string, json: Uint8Array): void;
  reports(): readonly NodeReport[];
  /** Of the first coordinator, by name, among `connected`; else of any. */
  ranking(connected: readonly string[]): Ranking | null;
}

interface Held {
  broker: Uint8Array | null;
  link: Uint8Array | null;
}

export function peerReports(keyring: Keyring, known: readonly NodeName[]): PeerReports {
  const names = new Set<string>(known);
  const held = new Map<string, Held>();
  const rankings = new Map<string, Ranking>();

  const entry = (from: string): Held | null => {
    if (!names.has(from) || from === keyring.self) return null;
    const found = held.get(from) ?? { broker: null, link: null };
    held.set(from, found);
    return found;
  };
  const newest = (from: string, { broker, link }: Held): NodeReport | null => {
    const one = broker === null ? null : decodeReport(broker, from);
    const other = link === null ? null : openReport(keyring, link);
    const reports = [one, other].flatMap((decoded) => (decoded?.ok ? [decoded.report] : []));
    return reports.reduce<NodeReport | null>(
      (best, report) => (best === null || isLater(report, best) ? report : best),
      null,
    );
  };

  return {
    byBroker(from, json) {
      const found = entry(from);
      if (found !== null) found.broker = json;
    },
    byLink(from, sealed) {
      const found = entry(from);
      if (found !== null) found.link = sealed;
    },
    ranked(coordinator, json) {
      if (!names.has(coordinator)) return;
      const decoded = decodeRanking(json, coordinator);
      if (decoded.ok) rankings.set(coordinator, decoded.ranking);
    },
    reports: () => [...held].flatMap(([from, bytes]) => newest(from, bytes) ?? []),
    ranking(connected) {
      const among = [...rankings.keys()].filter((name) => connected.includes(name)).sort();
      const chosen = among[0] ?? [...rankings.keys()].sort()[0];
      return chosen === undefined ? null : (rankings.get(chosen) ?? null);
    },
  };
}

const isLater = (one: NodeReport, other: NodeReport): boolean =>
  one.started_ms === other.started_ms
    ? one.sequence > other.sequence
    : one.started_ms > other.started_ms;
