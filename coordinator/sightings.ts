/**
 * What the coordinator has heard of each node: the book that the scout and the cluster view read.
 *
 * A report counts only when it is valid and comes on its own node's topic; everything else is
 * counted and ignored. The one that arrived last holds: each comes straight from its node, in
 * order, and clocks are not trusted to order them.
 */
import type { Clock } from '../shared/ports/clock.ts';
import type { NodeName } from '../shared/protocol/lease-messages.ts';
import type { NodeReport } from '../shared/protocol/report.ts';
import { decodeReport } from '../shared/protocol/report-codec.ts';
import { between, type Instant } from '../shared/time/duration.ts';
import type { Sighting } from './core/scout.ts';

interface Entry {
  report: NodeReport | null;
  online: boolean;
  heardAt: Instant;
}

export class SightingBook {
  readonly #known: ReadonlySet<NodeName>;
  readonly #clock: Clock;
  readonly #entries = new Map<NodeName, Entry>();
  #ignored = 0;

  constructor(nodes: readonly NodeName[], clock: Clock) {
    this.#known = new Set(nodes);
    this.#clock = clock;
  }

  /** Messages that were not valid reports of a known node. */
  get ignored(): number {
    return this.#ignored;
  }

  /** A payload on `baton-wire/<node>/report`; true when it was taken. */
  report(node: NodeName, payload: Uint8Array): boolean {
    const decoded = this.#known.has(node) ? decodeReport(payload, node) : null;
    if (decoded === null || !decoded.ok) {
      this.#ignored += 1;
      return false;
    }
    this.#entries.set(node, { report: decoded.report, online: true, heardAt: this.#clock.now() });
    return true;
  }

  /** A payload on `baton/<node>/status`; true when it changed something. */
  status(node: NodeName, payload: Uint8Array): boolean {
    const text = Buffer.from(payload).toString('utf8');
    const [word, bootId] = text.split(' ');
    const entry = this.#entries.get(node);
    if (word !== 'offline' || entry === undefined) return false;
    // The will of an earlier boot says nothing about this one.
    if (entry.report !== null && bootId !== entry.report.boot_id) return false;
    const changed = entry.online;
    entry.online = false;
    return changed;
  }

  sightings(): ReadonlyMap<NodeName, Sighting> {
    const now = this.#clock.now();
    const seen = new Map<NodeName, Sighting>();
    for (const [node, { report, online, heardAt }] of this.#entries) {
      seen.set(node, { report, online, ageMs: between(heardAt, now) });
    }
    return seen;
  }
}
