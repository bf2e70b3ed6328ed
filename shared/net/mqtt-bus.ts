/**
 * The agent's side of MQTT: one client to all coordinators at once.
 *
 * Everything is published to every broker that is connected, so each message may arrive several
 * times and out of order; lease messages are idempotent and reports carry a sequence. Handlers get
 * raw bytes and validate them. The topic's sender is what the broker let through, not a proof.
 *
 * Retained values are remembered here and published again at each connect, because a broker keeps
 * them in memory only. A subscriber that takes part in no broker sees nothing: not an error.
 * Sources: DESIGN section 6.
 */
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { NodeName } from '../protocol/lease-messages.ts';
import {
  leaseSubscription,
  leaseTopic,
  rankingSubscription,
  reportSubscription,
  reportTopic,
  statusTopic,
} from '../protocol/topics.ts';
import { type BrokerAddress, BrokerLink, type LinkTrouble } from './mqtt-bus-link.ts';
import type { PskCredentials } from './mqtt-tls.ts';
import { filterMatches } from './mqtt-topic-filters.ts';

export type { BrokerAddress, LinkTrouble } from './mqtt-bus-link.ts';

export interface BusOptions {
  readonly node: NodeName;
  readonly bootId: string;
  /** All coordinators of the settings; may be empty. */
  readonly brokers: readonly BrokerAddress[];
  /** `keyring.brokerPsk()`. */
  readonly credentials: PskCredentials;
  readonly clock: Clock;
  readonly random: Random;
  /** One sentence for a person, once for each change: a broker lost, found, or refusing. */
  notice(notice: BusNotice): void;
}

export interface BusNotice {
  readonly broker: string;
  /** `up` when connected; otherwise what is wrong. */
  readonly state: 'up' | 'down' | LinkTrouble;
  readonly text: string;
}

export type FromHandler = (from: string, payload: Uint8Array) => void;
export type CommandHandler = (topic: string, payload: Uint8Array) => void;

export interface MqttBus {
  /** Sends sealed bytes to `to` through every broker; false when none is connected. */
  publishLease(to: NodeName, bytes: Uint8Array): boolean;
  /** Own report, retained. */
  publishReport(json: string): void;
  /** A value for people below `baton/<self>/`; with `retain` an empty value clears the topic. */
  publish(topic: string, value: string, options: { retain: boolean }): void;
  onLease(handler: FromHandler): void;
  onReport(handler: FromHandler): void;
  /** `from` is the coordinator's node name. */
  onRanking(handler: FromHandler): void;
  /** Messages on `baton-wire/<self>/command/…`. */
  onCommand(handler: CommandHandler): void;
  /** Names of the coordinators that are connected now. */
  connected(): readonly string[];
  /** Says `offline`, then ends every connection. */
  close(): Promise<void>;
}

/** Retained topics remembered for publishing again; far above what one node has. */
const RETAINED_LIMIT = 512;
const COORDINATOR_PREFIX = 'coordinator-';

const troubleText: Record<LinkTrouble, (broker: string, detail: string) => string> = {
  unreachable: (broker, detail) => `coordinator ${broker} does not answer (${detail}); trying on`,
  'key-refused': (broker, detail) =>
    `coordinator ${broker} does not let this node in (${detail}). Copy the cluster key file from ` +
    'that node and compare cluster.nodes, then restart baton-agent.',
  'name-taken': (broker) =>
    `coordinator ${broker} refuses this node: another machine with the same name is connected. ` +
    'Give one of the two another node.name.',
  refused: (broker, detail) => `coordinator ${broker} refuses this node: ${detail}`,
};

/** Connects at once, and goes on trying; it never throws for a broker that is not there. */
export const mqttBus = (options: BusOptions): MqttBus => new BrokersBus(options);

class BrokersBus implements MqttBus {
  readonly #options: BusOptions;
  readonly #status: string;
  readonly #commands: string;
  readonly #retained: Map<string, string>;
  readonly #links: readonly BrokerLink[];
  #lease: FromHandler = () => {};
  #report: FromHandler = () => {};
  #ranking: FromHandler = () => {};
  #command: CommandHandler = () => {};

  constructor(options: BusOptions) {
    const { node, bootId, brokers } = options;
    this.#options = options;
    this.#status = statusTopic(node);
    this.#commands = `baton-wire/${node}/command/#`;
    this.#retained = new Map([[this.#status, `online ${bootId}`]]);
    this.#links = brokers.map((broker) => this.#connect(broker));
  }

  publishLease(to: NodeName, bytes: Uint8Array): boolean {
    return this.#sendAll(leaseTopic(this.#options.node, to), bytes, false);
  }

  publishReport(json: string): void {
    this.publish(reportTopic(this.#options.node), json, { retain: true });
  }

  publish(topic: string, value: string, { retain }: { retain: boolean }): void {
    const retained = this.#retained;
    if (retain && value === '') retained.delete(topic);
    else if (retain && (retained.has(topic) || retained.size < RETAINED_LIMIT)) {
      retained.set(topic, value);
    }
    this.#sendAll(topic, value, retain);
  }

  onLease(handler: FromHandler): void {
    this.#lease = handler;
  }

  onReport(handler: FromHandler): void {
    this.#report = handler;
  }

  onRanking(handler: FromHandler): void {
    this.#ranking = handler;
  }

  onCommand(handler: CommandHandler): void {
    this.#command = handler;
  }

  connected(): readonly string[] {
    return this.#links.filter((link) => link.isUp).map((link) => link.name);
  }

  async close(): Promise<void> {
    this.#sendAll(this.#status, `offline ${this.#options.bootId}`, true);
    await Promise.all(this.#links.map((link) => link.close()));
  }

  #connect(broker: BrokerAddress): BrokerLink {
    const { node, bootId, credentials, clock, random, notice } = this.#options;
    const subscriptions = [
      leaseSubscription(node),
      reportSubscription,
      rankingSubscription,
      this.#commands,
    ];
    const tell = (state: BusNotice['state'], text: string): void =>
      notice({ broker: broker.name, state, text });
    const link: BrokerLink = new BrokerLink(
      {
        broker,
        credentials,
        clientId: 'agent',
        will: { topic: this.#status, payload: `offline ${bootId}` },
        subscriptions,
        clock,
        random,
      },
      {
        up: () => {
          for (const [topic, value] of this.#retained) link.send(topic, value, true);
          tell('up', `connected to coordinator ${broker.name}`);
        },
        down: () => tell('down', `lost coordinator ${broker.name}`),
        trouble: (kind, detail) => tell(kind, troubleText[kind](broker.name, detail)),
        message: (topic, payload) => this.#dispatch(topic, payload),
      },
    );
    return link;
  }

  #dispatch(topic: string, payload: Uint8Array): void {
    const from = topic.split('/')[1] ?? '';
    if (filterMatches(leaseSubscription(this.#options.node), topic)) this.#lease(from, payload);
    else if (filterMatches(reportSubscription, topic)) this.#report(from, payload);
    else if (filterMatches(this.#commands, topic)) this.#command(topic, payload);
    else if (filterMatches(rankingSubscription, topic) && from.startsWith(COORDINATOR_PREFIX)) {
      this.#ranking(from.slice(COORDINATOR_PREFIX.length), payload);
    }
  }

  #sendAll(topic: string, payload: string | Uint8Array, retain: boolean): boolean {
    let sent = false;
    for (const link of this.#links) sent = link.send(topic, payload, retain) || sent;
    return sent;
  }
}
