/**
 * The checked outcome of flags, configuration file and environment. Paths are absolute.
 *
 * As on the real stand-in: a loopback address 127.a.b.x is advertised as 192.0.2.x (RFC 5737),
 * because Kubernetes refuses loopback addresses in Endpoints and the servers of a test on one
 * machine differ in nothing else. It is data and never contacted.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import {
  type Environment,
  type Given,
  last,
  list,
  refuseServerFlags,
  resolveFlags,
  usageError,
  withoutEffect,
} from './flags.ts';

export interface ServerConfiguration {
  readonly dataDir: string;
  /** As given, perhaps in K10 form; empty means "from server/token". */
  readonly token: string;
  readonly port: number;
  /** Empty: all addresses. */
  readonly bindAddress: string;
  /** Never a loopback address. */
  readonly advertiseAddress: string;
  readonly nodeIp: string;
  readonly nodeName: string;
  readonly sans: readonly string[];
  /** Where to write a kubeconfig, empty for nowhere but server/cred. */
  readonly kubeconfig: string;
  readonly kubeconfigMode: number;
  readonly compactIntervalMs: number;
  readonly compactMinRetain: number;
  readonly ignored: readonly string[];
}

export interface AgentConfiguration {
  readonly server: string;
  readonly nodeName: string;
}

/** k3s's precedence: flag, then K3S_TOKEN, then the file of either. Errors: `settings-invalid`. */
const resolveToken = (given: Given, environment: Environment): string => {
  const token = last(given, 'token', environment.K3S_TOKEN);
  if (token !== '') return token;
  const path = last(given, 'token-file', environment.K3S_TOKEN_FILE);
  if (path === '') return '';
  let content: string;
  try {
    content = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw usageError(`flag --token-file: ${String(error)}`);
  }
  if (content === '') throw usageError(`flag --token-file: ${path} is empty`);
  return content;
};

const advertised = (...candidates: string[]): string => {
  const chosen = candidates.find((one) => isIP(one) > 0 && one !== '0.0.0.0' && one !== '::');
  if (chosen === undefined || chosen === '::1') return '192.0.2.1';
  return chosen.startsWith('127.') ? `192.0.2.${chosen.split('.')[3]}` : chosen;
};

/** `2s`, `500ms`, `5m` as milliseconds (Go's form, one unit). */
const duration = (name: string, text: string): number => {
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[parts?.[2] ?? ''] ?? 0;
  const value = Number(parts?.[1] ?? 0) * unit;
  if (value > 0) return value;
  throw usageError(`${name}: "${text}" is not a positive duration such as 2s`);
};

const wholeNumber = (name: string, text: string, highest: number): number => {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= highest) return value;
  throw usageError(`${name}: "${text}" is not a number from 1 to ${highest}`);
};

const addresses = (given: Given): { bind: string; nodeIp: string; advertise: string } => {
  const all = {
    bind: last(given, 'bind-address'),
    nodeIp: list(given, 'node-ip')[0] ?? '',
    advertise: last(given, 'advertise-address'),
  };
  for (const [name, address] of Object.entries(all)) {
    if (address !== '' && isIP(address) === 0) {
      throw usageError(`flag for ${name}: "${address}" is not an IP address`);
    }
  }
  return all;
};

/** Errors: `settings-invalid`, with the flag that is wrong. */
export const serverConfiguration = async (
  args: readonly string[],
  environment: Environment,
): Promise<ServerConfiguration> => {
  const given = await resolveFlags(args, environment);
  const server = last(given, 'server');
  if (server !== '') {
    throw usageError(`flag --server: this stand-in cannot join another server (got "${server}")`);
  }
  const { bind, nodeIp, advertise } = addresses(given);
  const mode = last(given, 'write-kubeconfig-mode', environment.K3S_KUBECONFIG_MODE ?? '0600');
  if (!/^[0-7]{3,4}$/.test(mode)) {
    throw usageError(`flag --write-kubeconfig-mode: "${mode}" is not an octal file mode`);
  }
  const kubeconfig = last(given, 'write-kubeconfig', environment.K3S_KUBECONFIG_OUTPUT);
  const folder = last(given, 'data-dir', environment.K3S_DATA_DIR ?? '/var/lib/rancher/k3s');
  const interval = environment.BATON_TEST_COMPACT_INTERVAL ?? '5m';
  const retain = environment.BATON_TEST_COMPACT_MIN_RETAIN ?? '1000';
  return {
    dataDir: resolve(folder),
    token: resolveToken(given, environment),
    port: wholeNumber('flag --https-listen-port', last(given, 'https-listen-port', '6443'), 65_535),
    bindAddress: bind,
    advertiseAddress: advertised(advertise, nodeIp, bind),
    nodeIp,
    nodeName: last(given, 'node-name', environment.K3S_NODE_NAME ?? hostname()).toLowerCase(),
    sans: list(given, 'tls-san'),
    kubeconfig: kubeconfig === '' ? '' : resolve(kubeconfig),
    kubeconfigMode: Number.parseInt(mode, 8),
    compactIntervalMs: duration('BATON_TEST_COMPACT_INTERVAL', interval),
    compactMinRetain: wholeNumber('BATON_TEST_COMPACT_MIN_RETAIN', retain, 1e9),
    ignored: withoutEffect(given),
  };
};

/** Errors: `settings-invalid` for a flag of servers, or without server or token, as on k3s. */
export const agentConfiguration = async (
  args: readonly string[],
  environment: Environment,
): Promise<AgentConfiguration> => {
  const given = await resolveFlags(args, environment);
  refuseServerFlags(given);
  const server = last(given, 'server', environment.K3S_URL);
  if (server === '') throw usageError('--server is required');
  if (resolveToken(given, environment) === '') throw usageError('--token is required');
  return { server, nodeName: last(given, 'node-name', environment.K3S_NODE_NAME ?? hostname()) };
};
