/**
 * Finds two machines that run under one node name, by their boot ids.
 *
 * A reboot also shows a second boot id, while the first connection hangs half open until its
 * keepalive runs out. The difference: a dead connection stays silent. So a newcomer is let in, and
 * only when the *earlier* boot is heard again a while after, both are alive. Then the newcomer's
 * boot is barred for as long as the earlier one stays, and it is said once.
 *
 * Not promised: which of the two machines is the right one. The first to arrive keeps the name,
 * so that a wrongly configured new machine does not push out one that works.
 */
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import { between, type Instant } from '../../shared/time/duration.ts';

/** Bytes of an earlier boot that were still under way do not count as life, milliseconds. */
const STILL_UNDER_WAY_MS = 1000;

/** A connected agent; `close` ends its connection. */
export interface NamedSession {
  readonly node: NodeName;
  readonly bootId: string;
  readonly arrivedAt: Instant;
  close(): void;
}

export interface NameWatchEvents {
  /** Once per pair of boots. */
  duplicate(node: NodeName, keptBoot: string, barredBoot: string): void;
  /** The machine that kept the name left, so nothing is barred any more. */
  cleared(node: NodeName): void;
}

export class NameWatch {
  readonly #events: NameWatchEvents;
  readonly #sessions = new Map<NodeName, NamedSession[]>();
  readonly #barred = new Map<NodeName, Set<string>>();

  constructor(events: NameWatchEvents) {
    this.#events = events;
  }

  /** Whether this boot of `node` must be refused because another one holds the name. */
  isBarred(node: NodeName, bootId: string): boolean {
    return this.#barred.get(node)?.has(bootId) ?? false;
  }

  arrived(session: NamedSession): void {
    const present = this.#sessions.get(session.node) ?? [];
    this.#sessions.set(session.node, [...present, session]);
  }

  /** A packet of `session` came in; cheap, called for each. */
  heard(session: NamedSession, now: Instant): void {
    const present = this.#sessions.get(session.node);
    if (present === undefined || present.length < 2) return;
    for (const later of present.slice(present.indexOf(session) + 1)) {
      if (later.bootId === session.bootId) continue;
      if (between(later.arrivedAt, now) < STILL_UNDER_WAY_MS) continue;
      this.#bar(session, later);
    }
  }

  /**
   * True when another boot of the same node is connected: then this session's will, which says
   * that the node is offline, is stale (the node rebooted) or another machine's (it was barred).
   */
  isContradicted(session: NamedSession): boolean {
    const present = this.#sessions.get(session.node) ?? [];
    return present.some((other) => other.bootId !== session.bootId);
  }

  left(session: NamedSession): void {
    const rest = (this.#sessions.get(session.node) ?? []).filter((other) => other !== session);
    if (rest.length > 0) {
      this.#sessions.set(session.node, rest);
      return;
    }
    this.#sessions.delete(session.node);
    if (this.#barred.delete(session.node)) this.#events.cleared(session.node);
  }

  #bar(kept: NamedSession, newcomer: NamedSession): void {
    const barred = this.#barred.get(kept.node) ?? new Set<string>();
    this.#barred.set(kept.node, barred);
    const first = !barred.has(newcomer.bootId);
    barred.add(newcomer.bootId);
    if (first) this.#events.duplicate(kept.node, kept.bootId, newcomer.bootId);
    newcomer.close();
  }
}
