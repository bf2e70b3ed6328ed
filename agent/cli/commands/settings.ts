/**
 * The agent's settings as the command needs them: where the socket and the key are, and which
 * nodes are in the cluster. Order: --settings, BATON_SETTINGS, /etc/baton/agent.yaml.
 */
import { isBatonError } from '../../../shared/errors/baton-error.ts';
import { type AgentSettings, loadAgentSettings } from '../../config.ts';
import type { World } from '../world.ts';

const DEFAULT_FILE = '/etc/baton/agent.yaml';

export type ReadSettings =
  | { readonly ok: true; readonly file: string; readonly settings: AgentSettings }
  | { readonly ok: false; readonly message: string };

export function readSettings(world: World, values: ReadonlyMap<string, string>): ReadSettings {
  const named = values.get('settings') ?? world.environment.BATON_SETTINGS;
  const file = named === undefined || named === '' ? DEFAULT_FILE : named;
  const text = readText(world, file);
  if (!text.ok) return text;
  const loaded = loadAgentSettings(text.text, file);
  if (loaded.ok) return { ok: true, file, settings: loaded.settings };
  const problems = loaded.problems.map((problem) => JSON.stringify(problem));
  return { ok: false, message: [`the settings are refused`, ...problems].join('\n') };
}

export type ReadText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly message: string };

/** A file's text, or in words why not. Anything but a failed read is thrown on. */
export function readText(world: World, file: string): ReadText {
  try {
    const text = world.files.read(file);
    return text === null ? { ok: false, message: `there is no file ${file}` } : { ok: true, text };
  } catch (error) {
    if (isBatonError(error) && error.kind === 'operational') {
      return { ok: false, message: error.message };
    }
    throw error;
  }
}
