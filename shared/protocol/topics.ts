/**
 * MQTT topics (DESIGN section 6). People read `baton/#`; machines talk under `baton-wire/`.
 *
 * A node publishes only under its own name; `baton/cluster/…` is published by each coordinator
 * into its own broker, as a view of what the nodes report.
 */
import type { NodeName } from './lease-messages.ts';

/** Sealed lease message from one node to another; QoS 0, never retained. */
export const leaseTopic = (from: NodeName, to: NodeName): string =>
  `baton-wire/${from}/lease/${to}`;
/** What a node subscribes to for its lease messages. */
export const leaseSubscription = (to: NodeName): string => `baton-wire/+/lease/${to}`;
/** A node's NodeReport as JSON, retained. */
export const reportTopic = (node: NodeName): string => `baton-wire/${node}/report`;
export const reportSubscription = 'baton-wire/+/report';
/** A coordinator's Ranking as JSON, retained; published by the coordinator inside its broker. */
export const rankingTopic = (coordinator: string): string =>
  `baton-wire/coordinator-${coordinator}/ranking`;
export const rankingSubscription = 'baton-wire/+/ranking';

/** For people: one scalar, unit in the item's name, retained. */
export const nodeTopic = (node: NodeName, area: string, item: string): string =>
  `baton/${node}/${area}/${item}`;
/** `online <boot id>` or `offline <boot id>` (the will). */
export const statusTopic = (node: NodeName): string => `baton/${node}/status`;
export const clusterTopic = (item: string): string => `baton/cluster/${item}`;
