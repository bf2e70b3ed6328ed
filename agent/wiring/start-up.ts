/**
 * From the command line to a place to start: settings, key and boot id, or what is wrong with them.
 *
 * Everything a person has to mend is listed at once, with file, line and key, and the agent ends
 * with status 2: started again with the same files it would only fail again.
 */
import { clusterKeyring, type Keyring } from '../../shared/crypto/keyring.ts';
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Files } from '../../shared/ports/files.ts';
import { type AgentSettings, loadAgentSettings, problemLine } from '../config.ts';

export const DEFAULT_SETTINGS = '/etc/baton/agent.yaml';
export const USAGE = `usage: baton-agent [--config FILE] [--check]
  --config FILE  settings (default ${DEFAULT_SETTINGS})
  --check        read settings and key, say what is wrong, and end
  --version      the version`;

export type Arguments =
  | { readonly kind: 'run'; readonly file: string }
  | { readonly kind: 'check'; readonly file: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly text: string };

export function readArguments(given: readonly string[]): Arguments {
  let file = DEFAULT_SETTINGS;
  let kind: 'run' | 'check' = 'run';
  for (let at = 0; at < given.length; at += 1) {
    const word = given[at] ?? '';
    if (word === '--version') return { kind: 'version' };
    if (word === '--help' || word === '-h') return { kind: 'help' };
    if (word === '--check') kind = 'check';
    else if (word.startsWith('--config=')) file = word.slice('--config='.length);
    else if (word === '--config') {
      at += 1;
      file = given[at] ?? '';
    } else return { kind: 'wrong', text: `unknown argument "${word}"` };
  }
  return file === '' ? { kind: 'wrong', text: '--config needs a file' } : { kind, file };
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
