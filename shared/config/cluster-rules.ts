/**
 * Rules between the settings of the nodes. Each is a function of its own with a test of its own;
 * all of them together are `clusterRules`.
 */
import { isIP, SocketAddress } from 'node:net';
import {
  type ClusterSettings,
  MOST_COORDINATORS,
  MOST_VOTERS,
  type NodeSettings,
} from './cluster-schema.ts';
import type { BrokenAcross, Rule } from './load.ts';

/** What the rules look at; both daemons have it. */
export interface WithCluster {
  readonly node: { readonly name: string };
  readonly cluster: ClusterSettings;
}

const names = (nodes: readonly NodeSettings[]): string =>
  nodes.map(({ name }) => name).join(', ') || 'none';

/** Broken once, at the list itself. */
const atNodes = (isBroken: boolean, sum: string): readonly BrokenAcross[] =>
  isBroken ? [{ key: 'cluster.nodes', sum }] : [];

const thisNodeIsListed = ({ node, cluster }: WithCluster): readonly BrokenAcross[] => {
  if (cluster.nodes.some(({ name }) => name === node.name)) return [];
  const sum =
    `"${node.name}" is not in cluster.nodes, which has ${names(cluster.nodes)} - ` +
    'add it there or correct the name';
  return [{ key: 'node.name', sum }];
};

const somebodyIsEligible = ({ cluster }: WithCluster): readonly BrokenAcross[] =>
  atNodes(
    !cluster.nodes.some(({ eligible }) => eligible),
    `0 of ${cluster.nodes.length} nodes are eligible, so nobody may become master - remove ` +
      '"eligible: false" from at least one',
  );

const somebodyVotes = ({ cluster }: WithCluster): readonly BrokenAcross[] =>
  atNodes(
    !cluster.nodes.some(({ voter }) => voter),
    `0 of ${cluster.nodes.length} nodes vote, so nobody can be given the lease - remove ` +
      '"voter: false" from at least one',
  );

const votersAreFew = ({ cluster }: WithCluster): readonly BrokenAcross[] => {
  const voters = cluster.nodes.filter(({ voter }) => voter);
  return atNodes(
    voters.length > MOST_VOTERS,
    `${voters.length} voters (${names(voters)}) are more than ${MOST_VOTERS} - give the others ` +
      '"voter: false"; they still follow the master',
  );
};

const coordinatorsAreFew = ({ cluster }: WithCluster): readonly BrokenAcross[] => {
  const coordinators = cluster.nodes.filter(({ coordinator }) => coordinator);
  return atNodes(
    coordinators.length > MOST_COORDINATORS,
    `${coordinators.length} coordinators (${names(coordinators)}) are more than ` +
      `${MOST_COORDINATORS} - every agent keeps a connection to each`,
  );
};

const coordinatorsAreEligible = ({ cluster }: WithCluster): readonly BrokenAcross[] =>
  cluster.nodes.flatMap(({ name, coordinator, eligible }, index) =>
    coordinator && !eligible
      ? [
          {
            key: `cluster.nodes[${index}].coordinator`,
            sum:
              `${name} runs a coordinator and is not eligible - it would hold keys of others; ` +
              'choose one or the other',
          },
        ]
      : [],
  );

/** One spelling of an address: IPv6 has many. */
const spelled = (address: string): string =>
  isIP(address) === 6 ? new SocketAddress({ address, family: 'ipv6' }).address : address;

/** Two listeners on one address and port, of one node or of two. */
const portsAreFree = ({ cluster }: WithCluster): readonly BrokenAcross[] => {
  const users = new Map<string, string>();
  return cluster.nodes.flatMap((node, index) =>
    (['link_port', 'mqtt_port', 'api_port'] as const).flatMap((setting) => {
      const socket = `${spelled(node.address)} port ${node[setting]}`;
      const user = `${setting} of ${node.name}`;
      const earlier = users.get(socket);
      users.set(socket, user);
      if (earlier === undefined) return [];
      const sum = `${user} and ${earlier} are both ${socket} - change one`;
      return [{ key: `cluster.nodes[${index}].${setting}`, sum }];
    }),
  );
};

export const clusterRules: readonly Rule<WithCluster>[] = [
  {
    name: 'this-node-is-listed',
    says: '`node.name` is one of `cluster.nodes`.',
    check: thisNodeIsListed,
  },
  {
    name: 'somebody-is-eligible',
    says: 'At least one node is eligible.',
    check: somebodyIsEligible,
  },
  { name: 'somebody-votes', says: 'At least one node is a voter.', check: somebodyVotes },
  { name: 'voters-are-few', says: `At most ${MOST_VOTERS} nodes vote.`, check: votersAreFew },
  {
    name: 'coordinators-are-few',
    says: `At most ${MOST_COORDINATORS} nodes run a coordinator.`,
    check: coordinatorsAreFew,
  },
  {
    name: 'coordinators-are-eligible',
    says: 'A node that runs a coordinator is eligible.',
    check: coordinatorsAreEligible,
  },
  {
    name: 'ports-are-free',
    says: 'No two of `link_port`, `mqtt_port` and `api_port` meet on one address.',
    check: portsAreFree,
  },
];
