/**
 * Keeps `baton/cluster/…` and the ranking up to date in this coordinator's broker.
 *
 * Reports arrive in bursts; the view is worked out once per burst, and once in a while without
 * any, because silence also changes it. Only what changed is published, and what is no more (the
 * score of a node that became master) is cleared by an empty retained message.
 *
 * Each coordinator publishes into its own broker only, so two of them may show different views for
 * a moment; `baton/cluster/coordinator` says whose view it is.
 */
import type { Clock, TimerHandle } from '../shared/ports/clock.ts';
import type { NodeName } from '../shared/protocol/lease-messages.ts';
import { encodeRanking } from '../shared/protocol/report-codec.ts';
import { clusterTopic, rankingTopic } from '../shared/protocol/topics.ts';
import { milliseconds } from '../shared/time/duration.ts';
import { clusterItems, clusterView } from './core/cluster-view.ts';
import { rank, type ScoutNode } from './core/scout.ts';
import type { Log } from './log.ts';
import type { SightingBook } from './sightings.ts';

export interface PublisherOptions {
  readonly coordinator: string;
  readonly nodes: readonly ScoutNode[];
  readonly book: SightingBook;
  readonly silentAfterMs: number;
  readonly clock: Clock;
  readonly log: Log;
  publish(topic: string, payload: string, options: { retain: boolean }): void;
  /** Figures of this coordinator, shown as `baton/cluster/broker/<item>`. */
  figures(): Readonly<Record<string, number>>;
}

const BURST = milliseconds(100);
const SILENCE_CHECK = milliseconds(5000);

export class ClusterPublisher {
  readonly #options: PublisherOptions;
  /** Topic → what was published last. */
  readonly #published = new Map<string, string>();
  /** Items of the view that stand retained. */
  #items: ReadonlySet<string> = new Set();
  #master: NodeName | null = null;
  #burst: TimerHandle | null = null;
  #silence: TimerHandle | null = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  start(): void {
    this.#refresh();
    this.#publish(clusterTopic('coordinator'), this.#options.coordinator);
    this.#publishFigures();
    this.#checkSilence();
  }

  /** Something new was heard. */
  changed(): void {
    this.#burst ??= this.#options.clock.in(BURST, () => {
      this.#burst = null;
      this.#refresh();
    });
  }

  stop(): void {
    this.#burst?.cancel();
    this.#silence?.cancel();
  }

  #checkSilence(): void {
    this.#silence = this.#options.clock.in(SILENCE_CHECK, () => {
      this.#refresh();
      this.#publishFigures();
      this.#checkSilence();
    });
  }

  #refresh(): void {
    const { coordinator, nodes, book, silentAfterMs } = this.#options;
    const sightings = book.sightings();
    const view = clusterView(sightings, silentAfterMs);
    const ranking = rank({ coordinator, nodes, sightings, master: view.master, silentAfterMs });
    const items = clusterItems(view, ranking);
    for (const [item, value] of items) this.#publish(clusterTopic(item), value);
    for (const item of this.#items) {
      if (!items.has(item)) this.#publish(clusterTopic(item), '');
    }
    this.#items = new Set(items.keys());
    this.#publish(rankingTopic(coordinator), encodeRanking(ranking));
    if (view.master !== this.#master) {
      const { reason, epoch } = view;
      this.#options.log.info({ master: view.master, epoch }, `master: ${view.master ?? 'none'}`);
      if (reason !== '') this.#options.log.info({ epoch }, `reason: ${reason}`);
    }
    this.#master = view.master;
  }

  #publishFigures(): void {
    for (const [item, value] of Object.entries(this.#options.figures())) {
      this.#publish(clusterTopic(`broker/${item}`), String(value));
    }
  }

  #publish(topic: string, value: string): void {
    if (this.#published.get(topic) === value) return;
    if (value === '') this.#published.delete(topic);
    else this.#published.set(topic, value);
    this.#options.publish(topic, value, { retain: true });
  }
}
