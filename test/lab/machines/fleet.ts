/**
 * A cluster of machines: names, addresses, keys and settings as a person would write them, all
 * other settings at their defaults.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { generateClusterKey, KEY_BYTES } from '../../../shared/crypto/key-file.ts';
import { labProblem } from './host.ts';
import { Machine } from './machine.ts';
import { addressOf } from './network.ts';

export interface Fleet {
  readonly folder: string;
  readonly machines: readonly Machine[];
  machine(name: string): Machine;
  /** A new card, written like the first one, for a machine without power. */
  newCard(machine: Machine): void;
  /** Ends every machine at once. */
  scrap(): Promise<void>;
}

/** The settings allow no more brokers. */
const MOST_COORDINATORS = 3;

/** What a cluster looks like; a case may ask for another one than the command line did. */
export interface FleetShape {
  readonly count: number;
  /** The last machine is a witness: a voter that never becomes master. */
  readonly witness: boolean;
  /** The kernel drops nothing. */
  readonly withoutGate: boolean;
  /** Preference of the machines, in their order, where they are not equal. */
  readonly weights?: readonly number[];
  /** Sections of the settings that differ from the defaults, the same on every machine. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface FleetOptions {
  readonly run: string;
  /** Tells this cluster's control groups from those of others in the same run. */
  readonly name: string;
  /** Empty, on a disk: the machines' disks are files in there. */
  readonly folder: string;
  readonly lower: readonly string[];
  readonly shape: FleetShape;
}

const write = (root: string, path: string, text: string, mode = 0o644): void => {
  const file = join(root, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text, { mode });
};

interface Secrets {
  readonly key: string;
  readonly token: string;
}

/** What the image's first boot would write: name, address, settings, keys. */
const writeDisk = (
  machine: Machine,
  nodes: readonly { name: string }[],
  secrets: Secrets,
  { withoutGate, settings }: FleetShape,
): void => {
  const { root } = machine.disk;
  const common = { node: { name: machine.name }, cluster: { nodes } };
  const network = withoutGate ? { network: { data_path_gate: 'none' } } : {};
  const own = nodes.find(({ name }) => name === machine.name) as { coordinator?: boolean };
  write(root, 'etc/machine-id', `${randomBytes(16).toString('hex')}\n`);
  write(root, 'etc/hosts', `127.0.0.1 localhost ${machine.name}\n`);
  write(root, 'etc/lab-address', `ADDRESS=${machine.address}\n`);
  write(root, 'etc/baton/agent.yaml', stringify({ ...common, ...network, ...settings }));
  if (own.coordinator === true) write(root, 'etc/baton/coordinator.yaml', stringify(common));
  write(root, 'etc/baton/cluster.key', secrets.key, 0o600);
  write(root, 'etc/rancher/k3s/token', `${secrets.token}\n`, 0o600);
  const k3sNode = { 'node-name': machine.name };
  write(root, 'etc/rancher/k3s/config.yaml.d/node.local.yaml', stringify(k3sNode), 0o600);
  // The same on every node: it travels with the master's archive.
  const config = { 'token-file': '/etc/rancher/k3s/token', 'tls-san': ['baton-api'] };
  write(root, 'etc/rancher/k3s/config.yaml', stringify(config), 0o600);
};

/** Machines with written disks and no power. */
export const makeFleet = (options: FleetOptions): Fleet => {
  const { run, folder, lower, shape } = options;
  const { count, witness } = shape;
  const isWitness = (index: number): boolean => witness && index === count - 1;
  const machines = Array.from({ length: count }, (_, index) => {
    const name = `node${index + 1}`;
    const place = join(folder, name);
    mkdirSync(place, { recursive: true });
    const group = `${options.name}-${name}`;
    return new Machine({ run, group, name, address: addressOf(index), folder: place, lower });
  });
  const nodes = machines.map(({ name, address }, index) => ({
    name,
    address,
    weight: shape.weights?.[index] ?? 0,
    ...(index < MOST_COORDINATORS && !isWitness(index) ? { coordinator: true } : {}),
    ...(isWitness(index) ? { eligible: false } : {}),
  }));
  const key = generateClusterKey(new Uint8Array(randomBytes(KEY_BYTES)));
  const secrets = { key, token: randomBytes(16).toString('hex') };
  const newCard = (machine: Machine): void => {
    machine.disk.format();
    machine.disk.attach();
    writeDisk(machine, nodes, secrets, shape);
    machine.disk.detach();
  };
  for (const machine of machines) newCard(machine);
  return {
    folder,
    machines,
    machine: (name) => {
      const found = machines.find((one) => one.name === name);
      if (found === undefined) throw labProblem(`there is no machine "${name}"`);
      return found;
    },
    newCard,
    scrap: async () => void (await Promise.all(machines.map((machine) => machine.scrap()))),
  };
};
