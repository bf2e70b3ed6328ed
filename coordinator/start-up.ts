/**
 * What must be right before a coordinator can start: settings and key, read once.
 *
 * Everything that only a person can put right ends the start with exit status 2, so that the unit
 * need not try again (`RestartPreventExitStatus=2`). The lines go to standard error as they are.
 */
import { transportKeyring } from '../shared/crypto/keyring.ts';
import { isBatonError } from '../shared/errors/baton-error.ts';
import type { Files } from '../shared/ports/files.ts';
import type { TransportKeys } from './broker/parties.ts';
import { type CoordinatorSettings, loadCoordinatorSettings, problemLine } from './config.ts';

/** Exit statuses of baton-coordinator. */
export const exitStatus = {
  /** Ended by SIGTERM or SIGINT. */
  stopped: 0,
  /** Something outside was in the way, such as the port; trying again may help. */
  failed: 1,
  /** Arguments, settings or key are wrong; trying again does not help. */
  needsPerson: 2,
} as const;

export type StartUp =
  | { readonly ok: true; readonly settings: CoordinatorSettings; readonly keys: TransportKeys }
  | { readonly ok: false; readonly lines: readonly string[] };

const refused = (...lines: readonly string[]): StartUp => ({ ok: false, lines });

/** Reads the settings file and the key file that it names. Never throws for what a person wrote. */
export const readStartUp = (files: Files, settingsFile: string): StartUp => {
  const text = readFile(files, settingsFile);
  if (!text.ok) return refused(text.problem);
  if (text.text === null) {
    return refused(
      `there is no settings file ${settingsFile}: copy coordinator.example.yaml there and name ` +
        'this node and its cluster, or name another file with --settings',
    );
  }
  const loaded = loadCoordinatorSettings(text.text, settingsFile);
  if (!loaded.ok) {
    return refused(
      'the settings are refused; nothing was started',
      ...loaded.problems.map(problemLine),
    );
  }
  const { settings } = loaded;
  const keyFile = settings.cluster.key_file;
  const key = readFile(files, keyFile);
  if (!key.ok) return refused(key.problem);
  if (key.text === null) {
    return refused(
      `there is no key file ${keyFile}: without it no node could be let in. Copy it from another ` +
        'eligible node; for the first node of a cluster `baton keygen` makes one',
    );
  }
  try {
    return { ok: true, settings, keys: transportKeyring(key.text) };
  } catch (error) {
    if (!isBatonError(error) || error.kind !== 'usage') throw error;
    return refused(`${keyFile}: ${error.message}`);
  }
};

type ReadFile =
  | { readonly ok: true; readonly text: string | null }
  | { readonly ok: false; readonly problem: string };

const readFile = (files: Files, path: string): ReadFile => {
  try {
    return { ok: true, text: files.read(path) };
  } catch (error) {
    if (!isBatonError(error) || error.kind !== 'operational') throw error;
    return { ok: false, problem: error.message };
  }
};
