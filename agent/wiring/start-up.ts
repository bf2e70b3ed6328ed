/**
 * From the command line to a place to start: settings, key and boot id, or what is wrong with them.
 *
 * Everything a person has to mend is listed at once, with file, line and key, and the agent ends
 * with status 2: started again with the same files it would only fail again.
 */
import { parseArgs } from 'node:util';
import { keyringFromFile, settingsFromFile } from '../../shared/config/start-files.ts';
import { clusterKeyring, type Keyring } from '../../shared/crypto/keyring.ts';
import { BatonError, isBatonError } from '../../shared/errors/baton-error.ts';
import type { Files } from '../../shared/ports/files.ts';
import { type AgentSettings, loadAgentSettings } from '../config.ts';

const DEFAULT_SETTINGS = '/etc/baton/agent.yaml';
export const USAGE = `usage: baton-agent [--settings FILE] [--check] [--version] [--help]
  --settings FILE  default ${DEFAULT_SETTINGS}
  --check          read settings and key, say what is wrong, and end`;

export type Arguments =
  | { readonly kind: 'run'; readonly file: string }
  | { readonly kind: 'check'; readonly file: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly text: string };

const options = {
  settings: { type: 'string', default: DEFAULT_SETTINGS },
  check: { type: 'boolean', default: false },
  version: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false, short: 'h' },
} as const;

export function readArguments(given: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({ args: [...given], options });
    if (values.version) return { kind: 'version' };
    if (values.help) return { kind: 'help' };
    return { kind: values.check ? 'check' : 'run', file: values.settings };
  } catch (error) {
    return { kind: 'wrong', text: error instanceof Error ? error.message : String(error) };
  }
}

export type StartUp =
  | {
      readonly ok: true;
      readonly settings: AgentSettings;
      readonly keyring: Keyring;
      readonly bootId: string;
    }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads everything a start needs. Never throws for what a person can mend. */
export function startUp(files: Files, file: string): StartUp {
  try {
    const settings = settingsFromFile(files, file, loadAgentSettings);
    const { node, cluster, paths } = settings;
    const keyring = keyringFromFile(files, cluster.key_file, (key) =>
      clusterKeyring(key, node.name, cluster.nodes),
    );
    return { ok: true, settings, keyring, bootId: bootIdFrom(files, paths.boot_id_file) };
  } catch (error) {
    if (!isBatonError(error) || error.kind === 'invariant') throw error;
    return { ok: false, problems: error.message.split('\n') };
  }
}

function bootIdFrom(files: Files, path: string): string {
  const text = files.read(path)?.trim() ?? '';
  if (text !== '') return text;
  throw new BatonError(
    'file-missing',
    'operational',
    `paths.boot_id_file ${path} holds no boot id - without one a lease of an earlier boot could ` +
      'count; correct the setting, the default is the kernel’s own file',
    { context: { path } },
  );
}
