/**
 * What every part of the agent is given: its settings, its ports, and where to tell what happened.
 * One object, made once in agent/main.ts. No part reads the environment or the clock by itself.
 */
import type { ServiceLog } from '../../shared/adapters/service-log.ts';
import type { Keyring } from '../../shared/crypto/keyring.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Files } from '../../shared/ports/files.ts';
import type { Processes } from '../../shared/ports/processes.ts';
import type { Random } from '../../shared/ports/random.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import type { FindingBook } from '../actions/findings.ts';
import type { AgentSettings } from '../config.ts';
import type { AgentEvent, CoreConfig } from '../core/types.ts';

export type ClusterNode = AgentSettings['cluster']['nodes'][number];

/** The world outside, as ports. */
export interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly processes: Processes;
}

export interface Place extends Ports {
  readonly settings: AgentSettings;
  readonly config: CoreConfig;
  readonly self: ClusterNode;
  readonly keyring: Keyring;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Content of the boot id file, without its line end. */
  readonly bootId: string;
  readonly log: ServiceLog;
  readonly findings: FindingBook;
  /** To the loop; harmless before it runs and after it stopped. */
  readonly post: (event: AgentEvent) => void;
  /** A shipped script of systemd/. */
  readonly script: (name: string) => string;
}

export const nodeNamed = (place: Place, name: NodeName): ClusterNode | undefined =>
  place.settings.cluster.nodes.find((node) => node.name === name);

/**
 * Where this node listens: on loopback its own address (several nodes on one machine), else
 * everywhere, because a Pi's address may come only after the agent has started.
 */
export const listenHost = (address: string): string => {
  if (address.startsWith('127.') || address === '::1') return address;
  return address.includes(':') ? '::' : '0.0.0.0';
};
