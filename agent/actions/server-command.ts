/**
 * The command line of the k3s server where baton's own supervisor starts it (demo, lab).
 *
 * On machines k3s.service starts it and /etc/rancher/k3s/config.yaml holds the same. A program
 * that is a script for Node (the embedded stand-in) is run by this very Node.
 */
import type { AgentSettings } from '../config.ts';
import { API_NAME } from './hosts-line.ts';

export interface Invocation {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface InvocationPlace {
  readonly settings: AgentSettings;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Path of the running Node. */
  readonly node: string;
  readonly exists: (path: string) => boolean;
}

/** Which program it is, for people; never empty. */
export const serverProgram = (
  settings: AgentSettings,
  environment: Readonly<Record<string, string | undefined>>,
): string =>
  settings.k3s.unit_manager === 'systemd'
    ? 'k3s (k3s.service)'
    : (settings.k3s.command ?? (environment.BATON_K3S || 'k3s'));

/** Called at each start: token and configuration may have come with an archive meanwhile. */
export function serverInvocation(place: InvocationPlace): Invocation {
  const { settings, exists } = place;
  const { k3s, paths, node, cluster } = settings;
  const program = serverProgram(settings, place.environment);
  const address = cluster.nodes.find(({ name }) => name === node.name)?.address ?? '127.0.0.1';
  const given = [
    'server',
    ...['--data-dir', paths.k3s_data_dir],
    ...['--https-listen-port', String(k3s.api_port)],
    ...['--bind-address', address, '--node-ip', address, '--node-name', node.name],
    ...['--tls-san', API_NAME],
    ...(exists(k3s.token_file) ? ['--token-file', k3s.token_file] : []),
    ...k3s.server_args,
  ];
  const config = `${paths.k3s_config_dir}/config.yaml`;
  const environment: Record<string, string> = exists(config) ? { K3S_CONFIG_FILE: config } : {};
  if (/\.(ts|mjs|js)$/.test(program)) {
    return { command: place.node, args: [program, ...given], environment };
  }
  return { command: program, args: given, environment };
}
