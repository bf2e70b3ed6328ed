/**
 * A cluster of lab nodes: makes their folders, keys and settings, starts them, and leaves nothing
 * behind. Reusable by every measuring command (demo, bench).
 *
 * A shell process (reaper.sh) holds a pipe to this one: when we end, in whatever way, it kills what
 * is left of the run and removes the folder.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateClusterKey, KEY_BYTES } from '../../shared/crypto/key-file.ts';
import { BatonError } from '../../shared/errors/baton-error.ts';
import { LabNode, type Surprise } from './lab-node.ts';
import {
  agentSettingsText,
  coordinatorSettingsText,
  listenPoints,
  placeNodes,
  type SettingsWishes,
} from './layout.ts';
import { portOwner } from './port-owner.ts';
import {
  buildPrograms,
  type ControlPlane,
  findControlPlane,
  type Programs,
  ROOT,
} from './programs.ts';
import { killTagged, taggedProcesses } from './tagged-processes.ts';

export interface ClusterOptions {
  /** 3 to 7: two nodes promote nobody alone. */
  readonly nodes: number;
  /** `embedded`, `real` or the path of a k3s. */
  readonly k3s: string;
  /** Leaves folders and logs behind. */
  readonly keep?: boolean;
  /**
   * First three numbers of the nodes' loopback addresses, for two labs at once; else
   * BATON_LAB_SUBNET, else 127.0.0.
   */
  readonly subnet?: string;
  /** The master's agent writes each acknowledgement to `place.ackLog`. */
  readonly ackLog?: boolean;
  readonly overrides?: SettingsWishes['overrides'];
  /** Further environment of every process of the nodes. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Words about slow preparations. */
  readonly log?: (line: string) => void;
}

export const FEWEST_NODES = 3;
export const MOST_NODES = 7;
/** Folders in memory need this much: datastores of all nodes, replicas, logs. */
const MEMORY_NEEDED = 512 * 1024 * 1024;

export interface Cluster {
  readonly folder: string;
  readonly nodes: readonly LabNode[];
  readonly controlPlane: ControlPlane;
  /** Daemons that ended although nobody ended them, so far. */
  readonly surprises: readonly Surprise[];
  node(name: string): LabNode;
  /** All nodes lose power at the same moment. Returns the wall clock in ms. */
  cutPower(): Promise<number>;
  /** Kills every process and removes the folder unless it is kept. Idempotent. */
  close(): Promise<void>;
}

const refusal = (message: string): BatonError =>
  new BatonError('port-in-use', 'operational', message, { context: {} });

/** /dev/shm where it is there and has room, so that no disk's fsync is measured; else tmp. */
const makeFolder = (): string => {
  let parent = tmpdir();
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    if (bavail * bsize >= MEMORY_NEEDED) parent = '/dev/shm';
  } catch {
    // No /dev/shm on this machine.
  }
  return mkdtempSync(join(parent, 'baton-lab-'));
};

const subnetOf = ({ subnet }: ClusterOptions): string =>
  subnet ?? (process.env.BATON_LAB_SUBNET || '127.0.0');

/** Resolves with the errno of a listen on this point, null when it is free. */
const whyTaken = (host: string, port: number): Promise<string | null> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(null)));
  });

/** Who is in the way, and what to do about it. */
const whoHolds = (host: string, port: number): string => {
  const owner = portOwner(host, port);
  if (owner === null) return 'another program listens there - see which with: ss -ltnp';
  const all = taggedProcesses('');
  const ours = all.find(({ pid }) => pid === owner);
  if (ours === undefined) return `process ${owner} listens there, which is no part of a lab`;
  const run = `${ours.tag.split('/')[0]}/`;
  const pids = all.filter(({ tag }) => tag.startsWith(run)).map(({ pid }) => pid);
  return (
    'another run of this lab is still there - wait for it, or end what it left behind with: ' +
    `kill -9 ${pids.join(' ')}`
  );
};

/** Errors: `port-in-use` naming who holds it, as far as it was an earlier run of ours. */
const refuseTakenPorts = async (points: readonly { host: string; port: number }[]) => {
  for (const { host, port } of points) {
    const errno = await whyTaken(host, port);
    if (errno === null) continue;
    if (errno !== 'EADDRINUSE') {
      throw refusal(`cannot listen on ${host}:${port} (${errno}) - the lab's nodes live there`);
    }
    const hint = whoHolds(host, port);
    throw refusal(`${host}:${port} is in use - the lab's nodes need it - ${hint}`);
  }
};

const startReaper = (run: string, folder: string, keep: boolean): ChildProcess => {
  const script = join(import.meta.dirname, 'reaper.sh');
  const reaper = spawn('/bin/sh', [script, run, folder, keep ? '1' : '0'], {
    detached: true, // A Ctrl-C in the terminal must not end it with us.
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  reaper.unref();
  (reaper.stdin as unknown as { unref(): void }).unref();
  return reaper;
};

const writeDisks = (
  nodes: readonly LabNode[],
  wishes: SettingsWishes,
  secrets: { key: string; token: string },
): void => {
  const places = nodes.map(({ place }) => place);
  for (const place of places) {
    mkdirSync(place.k3sConfigDir, { recursive: true });
    writeFileSync(place.keyFile, secrets.key, { mode: 0o600 });
    writeFileSync(place.tokenFile, `${secrets.token}\n`, { mode: 0o600 });
    writeFileSync(place.hostsFile, '127.0.0.1 localhost\n');
    writeFileSync(place.agentSettings, agentSettingsText(place, places, wishes));
    writeFileSync(place.coordinatorSettings, coordinatorSettingsText(place, places));
  }
};

/**
 * A cluster whose nodes have no power yet. Errors: `port-in-use`, `process-failed`,
 * `settings-invalid`; nothing is left behind then.
 */
export const makeCluster = async (options: ClusterOptions): Promise<Cluster> => {
  const { log = () => {}, keep = false } = options;
  if (process.platform !== 'linux') {
    throw refusal(
      'the process lab reads /proc, and its nodes need 127.0.0.11 and up: run it on Linux',
    );
  }
  if (options.nodes < FEWEST_NODES || options.nodes > MOST_NODES) {
    throw new BatonError(
      'settings-invalid',
      'usage',
      `${options.nodes} nodes: a lab has ${FEWEST_NODES} to ${MOST_NODES}`,
      { context: {} },
    );
  }
  const folder = makeFolder();
  try {
    const places = placeNodes(folder, options.nodes, subnetOf(options));
    await refuseTakenPorts(listenPoints(places));
    const controlPlane = await findControlPlane(options.k3s, folder, log);
    return assemble(options, folder, controlPlane, buildPrograms(join(folder, 'dist')), keep);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
};

const assemble = (
  options: ClusterOptions,
  folder: string,
  controlPlane: ControlPlane,
  programs: Programs,
  keep: boolean,
): Cluster => {
  const run = `${process.pid}-${randomBytes(4).toString('hex')}`;
  const surprises: Surprise[] = [];
  const nodes = placeNodes(folder, options.nodes, subnetOf(options)).map((place) => {
    const acks = options.ackLog === true ? { BATON_ACK_LOG: place.ackLog } : {};
    const environment = { ...acks, ...options.environment };
    const surprised = (surprise: Surprise): void => void surprises.push(surprise);
    return new LabNode({ place, run, programs, environment, surprised });
  });
  // The bundles look for the shipped scripts where a checkout has them.
  symlinkSync(join(ROOT, 'systemd'), join(folder, 'systemd'));
  const wishes = { k3sCommand: controlPlane.command, overrides: options.overrides ?? {} };
  const key = generateClusterKey(new Uint8Array(randomBytes(KEY_BYTES)));
  writeDisks(nodes, wishes, { key, token: randomBytes(16).toString('hex') });
  const reaper = startReaper(run, folder, keep);
  let closing: Promise<void> | null = null;
  const cutPower = async (): Promise<number> => {
    const killing = killTagged(`${run}/`);
    await Promise.all(nodes.map((node) => node.cutPower(killing)));
    return (await killing).atMs;
  };
  const close = async (): Promise<void> => {
    await cutPower();
    reaper.stdin?.end();
    if (!keep) rmSync(folder, { recursive: true, force: true });
  };
  return {
    folder,
    nodes,
    controlPlane,
    surprises,
    cutPower,
    node: (name) => {
      const found = nodes.find((one) => one.name === name);
      if (found === undefined) throw refusal(`there is no node "${name}" in this lab`);
      return found;
    },
    close: () => {
      closing ??= close();
      return closing;
    },
  };
};
