/**
 * The agent's settings as the command needs them: where the socket and the key are, and which
 * nodes are in the cluster. Order: --settings, BATON_SETTINGS, /etc/baton/agent.yaml.
 */
import { isBatonError } from '../../../shared/errors/baton-error.ts';
import { type AgentSettings, loadAgentSettings, problemLine } from '../../config.ts';
import type { World } from '../world.ts';

const DEFAULT_FILE = '/etc/baton/agent.yaml';

export type ReadSettings =
  | { readonly ok: true; readonly file: string; readonly settings: AgentSettings }
  | {
      readonly ok: false;
      /** `absent`: the file could not be read; `refused`: the agent would not start with it. */
      readonly why: 'absent' | 'refused';
      /** Somebody named this file, so that no other place may be tried instead. */
      readonly named: boolean;
      readonly message: string;
    };

export function readSettings(world: World, values: ReadonlyMap<string, string>): ReadSettings {
  const given = values.get('settings') ?? world.environment.BATON_SETTINGS ?? '';
  const named = given !== '';
  const file = named ? given : DEFAULT_FILE;
  const text = readText(world, file);
  if (!text.ok) {
    const hint = named ? '' : '\nname the settings of the agent with --settings FILE';
    return { ok: false, why: 'absent', named, message: `${text.message}${hint}` };
  }
  const loaded = loadAgentSettings(text.text, file);
  if (loaded.ok) return { ok: true, file, settings: loaded.settings };
  const problems = loaded.problems.map(problemLine).join('\n');
  const message = `the settings are refused, and the agent does not start with them:\n${problems}`;
  return { ok: false, why: 'refused', named, message };
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
