/**
 * One coordinator: broker, book of sightings, publisher of the view, put together.
 *
 * It keeps nothing on disk and is never part of safety: agents also talk over direct links, and
 * every lease message is proven from end to end. A coordinator that ends, or starts anew with
 * nothing, costs no failover; agents publish their retained values again when they connect.
 */

import type { Clock } from '../shared/ports/clock.ts';
import { clusterTopic, reportSubscription } from '../shared/protocol/topics.ts';
import { type Broker, openBroker } from './broker/broker.ts';
import type { TransportKeys } from './broker/parties.ts';
import type { CoordinatorSettings } from './config.ts';
import type { Log } from './log.ts';
import { ClusterPublisher } from './publisher.ts';
import { SightingBook } from './sightings.ts';

export interface CoordinatorOptions {
  readonly settings: CoordinatorSettings;
  readonly keys: TransportKeys;
  readonly clock: Clock;
  readonly log: Log;
  /** Memory of this process in MB, for the figures; null where the system does not say. */
  memory(): { readonly rss_mb: number; readonly anon_mb: number } | null;
}

export interface Coordinator {
  readonly port: number;
  /** Null when it is turned off, or its port was taken. */
  readonly readerPort: number | null;
  /** Ends every connection; the agents go on without this coordinator. */
  close(): Promise<void>;
}

/** Agents report every few seconds, and at once when something changes. */
const SILENT_AFTER_MS = 15_000;

const levelOf = (topic: string): string => topic.split('/')[1] ?? '';

/** Opens the listeners and starts publishing. Errors: `port-in-use`, `permission-denied`. */
export const startCoordinator = async (options: CoordinatorOptions): Promise<Coordinator> => {
  const { settings, clock, log } = options;
  const { nodes } = settings.cluster;
  const book = new SightingBook(
    nodes.map((node) => node.name),
    clock,
  );
  let broker: Broker | null = null;
  const publish: Broker['publish'] = (...message) => broker?.publish(...message);
  const publisher = new ClusterPublisher({
    coordinator: settings.node.name,
    nodes,
    book,
    silentAfterMs: SILENT_AFTER_MS,
    clock,
    log,
    publish,
    figures: () => figuresOf(broker, book, options.memory()),
  });
  broker = await openBroker({
    nodes,
    keys: options.keys,
    clock,
    log,
    at: { host: settings.listen.address, port: settings.listen.mqtt_port },
    packetLimit: settings.listen.packet_limit_bytes,
    readersAt: settings.reader.enabled
      ? { host: settings.reader.address, port: settings.reader.port }
      : null,
    names: nameConflicts(log, publish),
    handlers: {
      [reportSubscription]: (topic, payload) => {
        if (book.report(levelOf(topic), payload)) publisher.changed();
      },
      'baton/+/status': (topic, payload) => {
        if (book.status(levelOf(topic), payload)) publisher.changed();
      },
    },
  });
  const opened = broker;
  publisher.start();
  return {
    port: opened.port,
    readerPort: opened.readerPort,
    close: () => {
      publisher.stop();
      return opened.close();
    },
  };
};

/** Two machines under one name: said once in the log, and shown for as long as it lasts. */
const nameConflicts = (log: Log, publish: Broker['publish']) => {
  const topic = (node: string): string => clusterTopic(`name_conflict/${node}`);
  return {
    duplicate: (node: string, keptBoot: string, barredBoot: string): void => {
      const text =
        `two machines run as ${node}: the one of boot ${keptBoot} keeps the name, the one of ` +
        `boot ${barredBoot} is refused. Give one of them another node.name.`;
      log.warn({ node, keptBoot, barredBoot, code: 'duplicate-node' }, text);
      publish(topic(node), text, { retain: true });
    },
    cleared: (node: string): void => {
      log.info({ node }, `only one machine runs as ${node} again`);
      publish(topic(node), '', { retain: true });
    },
  };
};

const figuresOf = (
  broker: Broker | null,
  book: SightingBook,
  memory: ReturnType<CoordinatorOptions['memory']>,
): Record<string, number> => {
  const counts = broker?.statistics();
  return {
    connections: counts?.connected ?? 0,
    refused_publishes: counts?.refusedPublishes ?? 0,
    refused_subscribes: counts?.refusedSubscribes ?? 0,
    skipped_messages: counts?.skipped ?? 0,
    broken_connections: counts?.broken ?? 0,
    ignored_messages: book.ignored,
    ...memory,
  };
};
