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

/** What came last on one path, and when it differed from what came before it, by the boot clock. */
interface Arrival {
  readonly bytes: Uint8Array;
  readonly at: Instant;
}

type Held = Map<'broker' | 'link', Arrival>;

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
    const found = held.get(from) ?? new Map();
    held.set(from, found);
    // A broker gives the retained report of a dead node again at each new connection.
    const before = found.get(path);
    if (before !== undefined && Buffer.compare(before.bytes, bytes) === 0) return;
    found.set(path, { bytes, at: clock.now() });
  };
  const newest = (from: string, found: Held): NodeReport | null => {
    let best: Dated | null = null;
    for (const [path, { bytes, at }] of found) {
      const decoded = path === 'broker' ? decodeReport(bytes, from) : openReport(keyring, bytes);
      if (!decoded.ok) continue;
      const dated = { report: decoded.report, at };
      if (best === null || isLater(dated, best)) best = dated;
    }
    return best?.report ?? null;
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
    heard: () =>
      [...held].map(([node, found]) => {
        const last = Math.max(...[...found.values()].map(({ at }) => at));
        return { node, ago_ms: clock.now() - last };
      }),
    ranking(connected) {
      const among = [...rankings.keys()].filter((name) => connected.includes(name)).sort();
      const chosen = among[0] ?? [...rankings.keys()].sort()[0];
      return chosen === undefined ? null : (rankings.get(chosen) ?? null);
    },
  };
}

interface Dated {
  readonly report: NodeReport;
  readonly at: Instant;
}

/**
 * Of one life the higher sequence. Of two lives the one that came last: their wall clocks say
 * nothing, for a Pi without network time boots into the past.
 */
const isLater = (one: Dated, other: Dated): boolean =>
  one.report.started_ms === other.report.started_ms
    ? one.report.sequence > other.report.sequence
    : one.at > other.at;
