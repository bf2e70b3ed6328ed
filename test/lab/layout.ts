/**
 * Where the nodes of a process lab are: names, loopback addresses, folders and settings files.
 *
 * Node i is `node<i>` on 127.0.0.(10 + i) with the ports of a real machine. Its folder holds what a
 * machine has on its disk (`disk/`) and in memory (`run/`); `run/` goes with the power.
 */
import { join } from 'node:path';
import { stringify } from 'yaml';

export const API_PORT = 6443;
const LINK_PORT = 7947;
const MQTT_PORT = 8883;
const READER_PORT = 1883;
/** As on machines: broker and scout run on up to three nodes. */
const MOST_COORDINATORS = 3;

/** Everything that is known of a node before it starts. Paths are absolute. */
export interface NodePlace {
  readonly name: string;
  readonly address: string;
  readonly coordinator: boolean;
  readonly folder: string;
  /** Lost with the power, as /run and the replica in tmpfs are. */
  readonly run: string;
  readonly bootIdFile: string;
  readonly leaseFile: string;
  readonly hostsFile: string;
  readonly stateDir: string;
  readonly k3sDataDir: string;
  readonly k3sConfigDir: string;
  readonly tokenFile: string;
  readonly keyFile: string;
  readonly agentSettings: string;
  readonly coordinatorSettings: string;
  /** `<run>/control.sock`, where the `baton` command asks. */
  readonly controlSocket: string;
  /** Where the process supervisor writes the server's pid. */
  readonly serverPidFile: string;
  /** One line per acknowledgement, when the lab asked for it. */
  readonly ackLog: string;
}

/** The places of `count` nodes below `base`; `subnet` is the first three numbers of an address. */
export const placeNodes = (base: string, count: number, subnet = '127.0.0'): NodePlace[] =>
  Array.from({ length: count }, (_, index) => {
    const name = `node${index + 1}`;
    const folder = join(base, name);
    const [disk, run] = [join(folder, 'disk'), join(folder, 'run')];
    return {
      name,
      address: `${subnet}.${11 + index}`,
      coordinator: index < MOST_COORDINATORS,
      folder,
      run,
      bootIdFile: join(folder, 'boot_id'),
      leaseFile: join(run, 'lease'),
      hostsFile: join(disk, 'hosts'),
      stateDir: join(disk, 'state'),
      k3sDataDir: join(disk, 'k3s'),
      k3sConfigDir: join(disk, 'k3s-config'),
      tokenFile: join(disk, 'k3s-config/token'),
      keyFile: join(disk, 'cluster.key'),
      agentSettings: join(disk, 'agent.yaml'),
      coordinatorSettings: join(disk, 'coordinator.yaml'),
      controlSocket: join(run, 'control.sock'),
      serverPidFile: join(run, 'units/server.pid'),
      ackLog: join(folder, 'acknowledgements.jsonl'),
    };
  });

/** Every address and port that the nodes will listen on. */
export const listenPoints = (places: readonly NodePlace[]): { host: string; port: number }[] =>
  places.flatMap(({ address, coordinator }) => {
    const ports = [API_PORT, LINK_PORT, READER_PORT, ...(coordinator ? [MQTT_PORT] : [])];
    return ports.map((port) => ({ host: address, port }));
  });

const nodeList = (places: readonly NodePlace[]) =>
  places.map(({ name, address, coordinator }) => ({
    name,
    address,
    link_port: LINK_PORT,
    coordinator,
    mqtt_port: MQTT_PORT,
    api_port: API_PORT,
  }));

export interface SettingsWishes {
  /** The program that stands in for k3s. */
  readonly k3sCommand: string;
  /** Sections that replace defaults, for example `{ lease: { retire_after_ms: 60000 } }`. */
  readonly overrides?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** agent.yaml of one node. Timings are the defaults: what is measured is what users get. */
export const agentSettingsText = (
  place: NodePlace,
  all: readonly NodePlace[],
  { k3sCommand, overrides = {} }: SettingsWishes,
): string => {
  const settings: Record<string, Record<string, unknown>> = {
    node: { name: place.name },
    cluster: { key_file: place.keyFile, nodes: nodeList(all) },
    paths: {
      run_dir: place.run,
      state_dir: place.stateDir,
      replica_dir: join(place.run, 'replica'),
      k3s_data_dir: place.k3sDataDir,
      k3s_config_dir: place.k3sConfigDir,
      hosts_file: place.hostsFile,
      boot_id_file: place.bootIdFile,
      lease_file: place.leaseFile,
    },
    k3s: {
      unit_manager: 'process',
      command: k3sCommand,
      api_port: API_PORT,
      token_file: place.tokenFile,
    },
    // Dropping packets needs root; the dead man's switch is what ends a server here.
    network: { data_path_gate: 'none' },
    mqtt: { reader_address: place.address, reader_port: READER_PORT },
  };
  for (const [section, values] of Object.entries(overrides)) {
    settings[section] = { ...settings[section], ...values };
  }
  return stringify(settings);
};

/** coordinator.yaml of one node. */
export const coordinatorSettingsText = (place: NodePlace, all: readonly NodePlace[]): string =>
  stringify({
    node: { name: place.name },
    cluster: { key_file: place.keyFile, nodes: nodeList(all) },
    listen: { address: place.address, mqtt_port: MQTT_PORT },
    reader: { address: place.address, port: READER_PORT },
  });
