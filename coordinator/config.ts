/**
 * The coordinator's settings: what coordinator.yaml may hold and the rules between its values.
 *
 * Types, example and reference table in coordinator/config/ are generated: `npm run gen`.
 */

import { clusterRules } from '../shared/config/cluster-rules.ts';
import { clusterSection, logSection, nodeSection } from '../shared/config/cluster-schema.ts';
import type { BrokenAcross, Rule } from '../shared/config/load.ts';
import { type Declaration, type LoadedSettings, loadSettings } from '../shared/config/load.ts';
import { flag, forms, group, integer, port, text } from '../shared/config/schema.ts';
import type { CoordinatorSettings } from './config/settings-types.ts';

export type { CoordinatorSettings } from './config/settings-types.ts';

const listenSection = group('The broker for agents and for people with a key (TLS-PSK).', {
  address: text({
    form: forms.address,
    default: '0.0.0.0',
    description: 'The address of this machine that it listens on.',
    why: 'Only who holds a key gets further, so every address may be open.',
  }),
  mqtt_port: port({
    default: 8883,
    description: 'Its TCP port; the same as in the own cluster.nodes entry.',
    why: 'The registered port of MQTT over TLS.',
  }),
  packet_limit_bytes: integer({
    default: 131_072,
    min: 16_384,
    max: 4_194_304,
    unit: 'bytes',
    description: 'A larger MQTT packet ends its connection before it is in memory.',
    why: 'A report of a large cluster is below 32 KiB, a lease message below 8 KiB.',
  }),
});

const readerSection = group('The read-only broker without a key, for people on this machine.', {
  enabled: flag({
    default: true,
    description: 'It listens.',
    why: '`mosquitto_sub -v -t "baton/#"` is the shortest way to see what goes on.',
  }),
  address: text({
    form: forms.loopback,
    default: '127.0.0.1',
    description: 'The address of this machine that it listens on.',
    why: 'Nobody from elsewhere reads without a key.',
  }),
  port: port({
    default: 1883,
    description: 'Its TCP port.',
    why: 'The registered port of MQTT, so that mosquitto_sub needs no option.',
  }),
});

const schema = group('Settings of baton-coordinator.', {
  node: nodeSection,
  cluster: clusterSection,
  listen: listenSection,
  reader: readerSection,
  log: logSection,
});

const thisNodeCoordinates = (settings: CoordinatorSettings): readonly BrokenAcross[] => {
  const self = settings.cluster.nodes.find(({ name }) => name === settings.node.name);
  if (self === undefined || self.coordinator) return [];
  const sum =
    `"${self.name}" has no "coordinator: true" in cluster.nodes, so no agent would connect to it ` +
    '- add it there on every node, or do not run a coordinator here';
  return [{ key: 'node.name', sum }];
};

const mqttPortAgrees = (settings: CoordinatorSettings): readonly BrokenAcross[] => {
  const self = settings.cluster.nodes.find(({ name }) => name === settings.node.name);
  const { mqtt_port } = settings.listen;
  if (self === undefined || self.mqtt_port === mqtt_port) return [];
  const sum =
    `${mqtt_port} is not ${self.mqtt_port}, the mqtt_port of ${self.name} in cluster.nodes, ` +
    'where the agents connect - make them equal';
  return [{ key: 'listen.mqtt_port', sum }];
};

const coordinatorRules: readonly Rule<CoordinatorSettings>[] = [
  {
    name: 'this-node-coordinates',
    says: 'The own entry in `cluster.nodes` has `coordinator: true`.',
    check: thisNodeCoordinates,
  },
  {
    name: 'mqtt-port-agrees',
    says: '`listen.mqtt_port` is the `mqtt_port` of the own entry in `cluster.nodes`.',
    check: mqttPortAgrees,
  },
];

/** What the generator and the validator work from. */
export const declaration: Declaration<(typeof schema)['entries']> = {
  daemon: 'coordinator',
  place: '/etc/baton/coordinator.yaml',
  schema,
  rules: [...clusterRules, ...coordinatorRules],
};

/** The settings in `text`, or every problem with file, line and key. `fileName` is only named. */
export const loadCoordinatorSettings = (
  text: string,
  fileName: string,
): LoadedSettings<CoordinatorSettings> => loadSettings(declaration, text, fileName);
