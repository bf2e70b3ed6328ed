/**
 * From the command line to a place to start: settings, key and boot id, or what is wrong with them.
 *
 * Everything a person has to mend is listed at once, with file, line and key, and the agent ends
 * with status 2: started again with the same files it would only fail again.
 */
import { parseArgs } from 'node:util';
import { clusterKeyring, type Keyring } from '../../shared/crypto/keyring.ts';
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Files } from '../../shared/ports/files.ts';
import { type AgentSettings, loadAgentSettings, problemLine } from '../config.ts';

export const DEFAULT_SETTINGS = '/etc/baton/agent.yaml';
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
  /** An earlier name of `settings`. */
  config: { type: 'string' },
  check: { type: 'boolean', default: false },
  version: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false, short: 'h' },
} as const;

export function readArguments(given: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({ args: [...given], options });
    if (values.version) return { kind: 'version' };
    if (values.help) return { kind: 'help' };
    return { kind: values.check ? 'check' : 'run', file: values.config ?? values.settings };
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
  const text = readOrSay(files, file, 'the settings');
  if (!text.ok) return text;
  const loaded = loadAgentSettings(text.text, file);
  if (!loaded.ok) return { ok: false, problems: loaded.problems.map(problemLine) };
  const { settings } = loaded;
  const key = readOrSay(files, settings.cluster.key_file, 'the cluster key (key-missing)');
  const boot = readOrSay(files, settings.paths.boot_id_file, 'the boot id');
  const problems = [key, boot].flatMap((read) => (read.ok ? [] : read.problems));
  if (!key.ok || !boot.ok) return { ok: false, problems };
  try {
    const keyring = clusterKeyring(key.text, settings.node.name, settings.cluster.nodes);
    return { ok: true, settings, keyring, bootId: boot.text.trim() };
  } catch (error) {
    if (!isBatonError(error) || error.kind === 'invariant') throw error;
    return { ok: false, problems: [`${settings.cluster.key_file}: ${error.message}`] };
  }
}

type Read =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problems: readonly string[] };

function readOrSay(files: Files, path: string, what: string): Read {
  try {
    const text = files.read(path);
    if (text !== null) return { ok: true, text };
    return { ok: false, problems: [`${path}: ${what} is missing - create the file`] };
  } catch (error) {
    if (!isBatonError(error)) throw error;
    return { ok: false, problems: [`${path}: ${what}: ${error.message}`] };
  }
}
