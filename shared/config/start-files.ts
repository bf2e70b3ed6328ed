/**
 * The two files without which no daemon starts: its settings and the cluster key.
 *
 * All functions return what was read or throw one BatonError of kind `usage`, whose message holds
 * everything that is wrong at once: a person corrects a file in one go, and the log says it once.
 * What a key file must hold is judged by shared/crypto/keyring.ts, not here.
 */
import { BatonError, isBatonError } from '../errors/baton-error.ts';
import type { Files } from '../ports/files.ts';
import type { LoadedSettings } from './load.ts';
import { problemLine, type SettingsProblem } from './problems.ts';

/** The text, null when there is no such file, or the words of a failed read. */
function readText(files: Files, path: string): string | null | { readonly words: string } {
  try {
    return files.read(path);
  } catch (error) {
    if (isBatonError(error) && error.kind === 'operational') return { words: error.message };
    throw error;
  }
}

/** One error for all `problems`, a line each. `context.problems` has them for the log. */
const settingsError = (problems: readonly SettingsProblem[]): BatonError =>
  new BatonError(
    'settings-invalid',
    'usage',
    ['the settings are refused, nothing was started', ...problems.map(problemLine)].join('\n'),
    { context: { problems } },
  );

/**
 * The settings in the file at `path`, read by `load` (`loadAgentSettings`, for example).
 * Errors: `settings-invalid` (usage), also for a file that is missing or cannot be read.
 */
export function settingsFromFile<Settings>(
  files: Files,
  path: string,
  load: (text: string, fileName: string) => LoadedSettings<Settings>,
): Settings {
  const unreadable = (text: string) =>
    settingsError([{ file: path, line: 1, key: '', rule: 'unreadable', text }]);
  const text = readText(files, path);
  if (text === null) {
    throw unreadable(
      'there is no such file - copy agent.example.yaml or coordinator.example.yaml and adapt it',
    );
  }
  if (typeof text !== 'string') throw unreadable(text.words);
  const loaded = load(text, path);
  if (loaded.ok) return loaded.settings;
  throw settingsError(loaded.problems);
}

/**
 * The text of the key file that `cluster.key_file` names.
 * Errors: `key-missing` (usage) when it is not there or cannot be read.
 */
export function keyFromFile(files: Files, path: string): string {
  const text = readText(files, path);
  if (typeof text === 'string') return text;
  const reason =
    text === null
      ? `cluster.key_file ${path} is not there - run "baton keygen" on the first node and copy ` +
        'the file to every eligible one'
      : text.words;
  throw new BatonError('key-missing', 'usage', `no cluster key, nothing was started: ${reason}`, {
    context: { path },
  });
}

/**
 * What `make` makes of the key file's text; a key that it refuses is told with its file.
 * Errors: those of `keyFromFile` and of `make`.
 */
export function keyringFromFile<Keyring>(
  files: Files,
  path: string,
  make: (text: string) => Keyring,
): Keyring {
  const text = keyFromFile(files, path);
  try {
    return make(text);
  } catch (error) {
    if (!isBatonError(error) || error.kind === 'invariant') throw error;
    throw new BatonError(error.code, error.kind, `${path}: ${error.message}`, { cause: error });
  }
}
