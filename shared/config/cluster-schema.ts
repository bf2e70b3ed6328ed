/**
 * The part of the settings that agents and coordinators share: who is in the cluster, and the log.
 * One file section can be copied to every node as it is.
 */
import {
  choice,
  flag,
  forms,
  group,
  integer,
  list,
  port,
  type SettingsOf,
  text,
} from './schema.ts';

/** Voters beyond this cost a message each and add no safety; DESIGN section 1. */
export const MOST_VOTERS = 7;
export const MOST_COORDINATORS = 3;

const node = {
  name: text({
    form: forms.nodeName,
    description: 'The name the node has in baton, in topics and as a Kubernetes node.',
    why: 'Every key is derived from it, so nobody else can choose it.',
  }),
  address: text({
    form: forms.address,
    description: 'Where the other nodes reach it.',
    why: 'An address, no name: /etc/hosts points at it, and a Pi boots without DNS.',
  }),
  link_port: port({
    default: 7947,
    description: 'TCP port of its direct links.',
    why: 'Not used by k3s or any service in the IANA registry that runs on a Pi.',
  }),
  eligible: flag({
    default: true,
    description: 'It may become master and holds a replica and the cluster key.',
    why: 'A cluster whose every node can take over needs no thought.',
  }),
  voter: flag({
    default: true,
    description: 'It takes part in the lease. A voter that is not eligible is a witness.',
    why: `Right for up to ${MOST_VOTERS} nodes; in a larger cluster the others say false.`,
  }),
  mqtt_port: port({
    default: 8883,
    description: 'TCP port of its broker, when it has one.',
    why: 'The registered port of MQTT over TLS.',
  }),
  coordinator: flag({
    default: false,
    description: 'It runs a coordinator: broker and scout.',
    why: 'Up to three are useful and none is needed, so they are named.',
  }),
  api_port: port({
    default: 6443,
    description: 'TCP port of its Kubernetes API while it is master.',
    why: 'The port k3s takes.',
  }),
  weight: integer({
    default: 0,
    min: -100,
    max: 100,
    description: 'Your preference among nodes whose replicas are equal; higher is tried first.',
    why: 'What the scout measures decides until you know better.',
  }),
};

/** The `cluster` section. */
export const clusterSection = group('Who is in the cluster; the same on every node.', {
  key_file: text({
    form: forms.path,
    default: '/etc/baton/cluster.key',
    description: 'File with the cluster key, or on a node that is not eligible its own key.',
    why: 'Written by `baton keygen`; a file of its own, so that settings can be shown to others.',
  }),
  nodes: list(
    'Every node, in any order, the same list everywhere.',
    {
      least: 1,
      most: 32,
      example: [
        { name: 'pi1', address: '192.168.1.11', coordinator: true },
        { name: 'pi2', address: '192.168.1.12', coordinator: true },
        { name: 'pi3', address: '192.168.1.13', eligible: false },
      ],
    },
    node,
  ),
});

export type ClusterSettings = SettingsOf<typeof clusterSection>;
export type NodeSettings = ClusterSettings['nodes'][number];

/** The `node` section. */
export const nodeSection = group('This machine.', {
  name: text({
    form: forms.nodeName,
    example: 'pi1',
    description: 'Which entry of cluster.nodes this machine is.',
    why: 'Two machines with one name would share their keys and their vote.',
  }),
});

/** The `log` section. */
export const logSection = group('The log, on standard output.', {
  level: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
    default: 'info',
    description: 'The least important lines that are written.',
    why: 'Every decision with its reason, and nothing per message: SD cards live on this.',
  }),
});
