/**
 * What must be right before a coordinator can start: settings and key, read once.
 *
 * Everything that only a person can put right ends the start with exit status 2, so that the unit
 * need not try again (`RestartPreventExitStatus=2`). The lines go to standard error as they are.
 */
import { keyringFromFile, settingsFromFile } from '../shared/config/start-files.ts';
import { transportKeyring } from '../shared/crypto/keyring.ts';
import { isBatonError } from '../shared/errors/baton-error.ts';
import type { Files } from '../shared/ports/files.ts';
import type { TransportKeys } from './broker/parties.ts';
import { type CoordinatorSettings, loadCoordinatorSettings } from './config.ts';

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

/** Reads the settings file and the key file that it names. Never throws for what a person wrote. */
export const readStartUp = (files: Files, settingsFile: string): StartUp => {
  try {
    const settings = settingsFromFile(files, settingsFile, loadCoordinatorSettings);
    const keys = keyringFromFile(files, settings.cluster.key_file, transportKeyring);
    return { ok: true, settings, keys };
  } catch (error) {
    if (!isBatonError(error) || error.kind === 'invariant') throw error;
    return { ok: false, lines: error.message.split('\n') };
  }
};
