/**
 * The newest report and ranking of everybody else, kept as the bytes that arrived.
 *
 * Each report comes once per broker and once per direct link; decoding all of them every second
 * would be most of an idle agent's work, so they are decoded only when somebody asks (`status`).
 * Views only: nothing safe is ever decided from them.
 */
import type { Keyring } from '../../shared/crypto/keyring.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import type { NodeReport, Ranking } from '../../shared/protocol/report.ts';
import { decodeRanking, decodeReport, openReport } from '../../shared/protocol/report-codec.ts';
import type { Instant } from '../../shared/time/duration.ts';

export interface PeerReports {
  /** JSON from a broker; `from` is the topic's node. */
  byBroker(from: string, json: Uint8Array): void;
  /** Sealed bytes from a direct link. */
  byLink(from: string, sealed: Uint8Array): void;
  ranked(coordinator: string, json: Uint8Array): void;
  reports(): readonly NodeReport[];
  /** How long ago something new came from each node that ever reported, milliseconds. */
  heard(): readonly { readonly node: NodeName; readonly ago_ms: number }[];
  /** Of the first coordinator, by name, among `connected`; else of any. */
  ranking(connected: readonly string[]): Ranking | null;
}

interface Held {
  broker: Uint8Array | null;
  link: Uint8Array | null;
  /** When the last report came that was not the one before it, by the boot clock. */
  at: Instant;
}

export function peerReports(
  keyring: Keyring,
  known: readonly NodeName[],
  clock: Pick<Clock, 'now'>,
): PeerReports {
  const names = new Set<string>(known);
  const held = new Map<string, Held>();
  const rankings = new Map<string, Ranking>();

  const take = (from: string, path: 'broker' | 'link', bytes: Uint8Array): void => {
    if (!names.has(from) || from === keyring.self) return;
    const found = held.get(from) ?? { broker: null, link: null, at: clock.now() };
    held.set(from, found);
    // A broker gives the retained report of a dead node again at each new connection.
    const before = found[path];
    if (before === null || Buffer.compare(before, bytes) !== 0) found.at = clock.now();
    found[path] = bytes;
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
    byBroker: (from, json) => take(from, 'broker', json),
    byLink: (from, sealed) => take(from, 'link', sealed),
    ranked(coordinator, json) {
      if (!names.has(coordinator)) return;
      const decoded = decodeRanking(json, coordinator);
      if (decoded.ok) rankings.set(coordinator, decoded.ranking);
    },
    reports: () => [...held].flatMap(([from, bytes]) => newest(from, bytes) ?? []),
    heard: () => [...held].map(([node, { at }]) => ({ node, ago_ms: clock.now() - at })),
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
