/**
 * The command line of k3s, as far as this stand-in knows it: which flags act, which are accepted
 * and have nothing to act on here, and which would change what a test means and are refused.
 * Anything else is an error, as on k3s.
 *
 * The tables are those of the real stand-in (../real/flags.go), so that a command line that works
 * with one works with the other.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BatonError } from '../../../shared/errors/baton-error.ts';

type Kind = 'text' | 'bool' | 'list';

const words = (kind: Kind, text: string): [string, Kind][] =>
  text
    .trim()
    .split(/\s+/)
    .map((name) => [name, kind]);

/** Flags that change what the stand-in does. */
const acting = new Map<string, Kind>([
  ...words(
    'text',
    `config data-dir token token-file https-listen-port bind-address advertise-address node-ip
     node-name write-kubeconfig write-kubeconfig-mode service-cidr server`,
  ),
  ...words('list', 'tls-san kube-apiserver-arg'),
  ...words('bool', 'debug'),
]);

/** Flags of parts of k3s that are absent here (kubelet, network, controllers). */
const idle = new Map<string, Kind>([
  ...words(
    'bool',
    `disable-agent disable-scheduler disable-controller-manager disable-cloud-controller
     disable-kube-proxy disable-network-policy disable-helm-controller tls-san-security
     alsologtostderr selinux prefer-bundled-bin protect-kernel-defaults with-node-id docker rootless
     supervisor-metrics embedded-registry`,
  ),
  ...words(
    'text',
    `cluster-cidr cluster-dns cluster-domain flannel-backend flannel-iface egress-selector-mode
     node-external-ip agent-token agent-token-file write-kubeconfig-group snapshotter
     default-local-storage-path resolv-conf log v vmodule private-registry pause-image
     service-node-port-range lb-server-port container-runtime-endpoint`,
  ),
  ...words(
    'list',
    `disable kube-controller-manager-arg kube-scheduler-arg kubelet-arg kube-proxy-arg node-label
     node-taint kube-cloud-controller-manager-arg`,
  ),
]);

/**
 * What `k3s agent` knows of these. It ends at any other one, in its configuration file too, where
 * the server only warns (k3s-io/k3s pkg/cli/cmds/agent.go, pkg/configfilearg; seen in its #6565).
 */
const ofAgent = new Set(
  `config debug v vmodule log alsologtostderr token token-file server data-dir bind-address
   node-name with-node-id node-label node-taint selinux lb-server-port protect-kernel-defaults
   container-runtime-endpoint pause-image snapshotter private-registry node-ip node-external-ip
   resolv-conf flannel-iface kubelet-arg kube-proxy-arg rootless prefer-bundled-bin docker`
    .trim()
    .split(/\s+/),
);

/** Flags that exist on k3s; silently ignoring them would make a test mean something else. */
const refused: Readonly<Record<string, string>> = {
  'cluster-init': 'embedded etcd',
  'cluster-reset': 'embedded etcd',
  'etcd-snapshot-dir': 'embedded etcd',
  'datastore-endpoint': 'a datastore other than SQLite',
  'secrets-encryption': 'secrets encryption',
  'disable-apiserver': 'a server without API',
  'disable-etcd': 'embedded etcd',
};

const short: Readonly<Record<string, string>> = {
  '-t': 'token',
  '-s': 'server',
  '-d': 'data-dir',
  '-c': 'config',
};

/** What was given per flag, in order. A flag that takes one value keeps the last one. */
export type Given = Map<string, string[]>;
export type Environment = Readonly<Record<string, string | undefined>>;

/** Every fault of the command line: usage, status 1, one line. */
export const usageError = (message: string): BatonError =>
  new BatonError('settings-invalid', 'usage', message);

const kindOf = (name: string): Kind => {
  const kind = acting.get(name) ?? idle.get(name);
  if (kind !== undefined) return kind;
  const missing = refused[name];
  if (missing !== undefined) {
    throw usageError(`flag --${name}: this stand-in does not provide ${missing}`);
  }
  throw usageError(`flag provided but not defined: --${name}`);
};

/** Reads `--flag value`, `--flag=value` and k3s's short forms. Errors: `settings-invalid`. */
export const parseFlags = (args: readonly string[]): Given => {
  const given: Given = new Map();
  for (let index = 0; index < args.length; index++) {
    const [head = '', ...tail] = (args[index] ?? '').split('=');
    const name = short[head] ?? (head.startsWith('--') ? head.slice(2) : null);
    if (name === null) throw usageError(`unexpected argument "${head}"; flags start with --`);
    const kind = kindOf(name);
    let value = tail.length > 0 ? tail.join('=') : kind === 'bool' ? 'true' : undefined;
    if (value === undefined) {
      index += 1;
      value = args[index];
      if (value === undefined) throw usageError(`flag needs an argument: --${name}`);
    }
    if (kind === 'bool' && !/^(true|false|1|0|t|f)$/i.test(value)) {
      throw usageError(`flag --${name}: "${value}" is neither true nor false`);
    }
    given.set(name, [...(given.get(name) ?? []), value]);
  }
  return given;
};

export const last = (given: Given, name: string, fallback = ''): string =>
  given.get(name)?.at(-1) ?? fallback;

/** Flattens repeated flags and comma lists, and drops empty elements. */
export const list = (given: Given, name: string): string[] =>
  (given.get(name) ?? []).flatMap((one) => one.split(',')).flatMap((one) => one.trim() || []);

/** Errors: `settings-invalid` for a flag, from wherever, that is the server's alone. */
export const refuseServerFlags = (given: Given): void => {
  const name = [...given.keys()].find((one) => !ofAgent.has(one));
  if (name !== undefined) throw usageError(`flag provided but not defined: --${name}`);
};

/** Names of flags that were accepted and have no effect here. */
export const withoutEffect = (given: Given): string[] =>
  [...given.keys()].filter((name) => idle.has(name)).sort();

const mergeFile = async (given: Given, path: string): Promise<void> => {
  // Loaded only when there is a file: the stand-in is started often and must start fast.
  const { parse } = await import('yaml');
  const document: unknown = parse(readFileSync(path, 'utf8')) ?? {};
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw usageError(`configuration file ${path}: expected keys with values`);
  }
  for (const [key, value] of Object.entries(document)) {
    const adds = key.endsWith('+');
    const name = key.replace(/^-+/, '').replace(/\+$/, '');
    kindOf(name);
    if (value === null || value === undefined) continue;
    if (typeof value === 'object' && !Array.isArray(value)) {
      throw usageError(`configuration file ${path}: key ${key}: expected a value or a list`);
    }
    const values = (Array.isArray(value) ? value : [value]).map(String);
    given.set(name, adds ? [...(given.get(name) ?? []), ...values] : values);
  }
};

/**
 * Joins the configuration file, its drop-ins (`<file>.d/*.yaml` by name; `key+` adds) and the
 * command line, which wins per flag. The default file may be absent; one that was named may not.
 */
export const resolveFlags = async (
  args: readonly string[],
  environment: Environment,
): Promise<Given> => {
  const line = parseFlags(args);
  const named = last(line, 'config', environment.K3S_CONFIG_FILE ?? '');
  const path = named || '/etc/rancher/k3s/config.yaml';
  const given: Given = new Map();
  if (existsSync(path)) await mergeFile(given, path);
  else if (named !== '') throw usageError(`configuration file ${path}: no such file`);
  const dropIns = existsSync(`${path}.d`) ? readdirSync(`${path}.d`).sort() : [];
  for (const name of dropIns.filter((one) => one.endsWith('.yaml'))) {
    await mergeFile(given, join(`${path}.d`, name));
  }
  for (const [name, values] of line) given.set(name, values);
  return given;
};
