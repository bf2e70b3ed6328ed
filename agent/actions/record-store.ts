/**
 * The two records that outlive the process: `lease.json` in the state folder, synced to the card
 * before any answer that depends on it, and `lease.json` in /run, lost by a reboot.
 *
 * A record that does not validate counts as **lost**, with a finding: on disk the node must learn
 * again before it votes (LEASE L9), in /run it is silent for one maximum lease (L2). Both are safe;
 * guessing would not be. A record that is merely unreadable (a failing card) is an error instead:
 * taking it for lost would make a wiped voter out of a sick one.
 *
 * Source: LEASE.md "State"; agent/core/records.ts validates.
 */

import type { Files } from '../../shared/ports/files.ts';
import { encodeRecord, parseDiskRecord, parseRunRecord } from '../core/records.ts';
import type { DiskRecord, RunRecord } from '../core/types.ts';
import type { Outcome } from '../loop.ts';

/**
 * Room on the card that only a record may use: a voter whose card is full could promise nothing,
 * and of three voters with one dead the cluster would stand still. More than a record ever takes.
 */
const RESERVE = '\n'.repeat(16 * 1024);

/** Whether there was a reserve to give up. */
const dropped = (files: Files, reserve: string): boolean => {
  try {
    if (!files.exists(reserve)) return false;
    files.remove(reserve);
    return true;
  } catch {
    return false; // A card that takes no removal takes no record either.
  }
};

export interface RecordPaths {
  /** On the card, for example /var/lib/baton/lease.json. */
  readonly disk: string;
  /** In memory, for example /run/baton/lease.json. */
  readonly run: string;
}

export interface StoredRecords {
  readonly disk: DiskRecord | null;
  readonly run: RunRecord | null;
  /** Sentences about records that were there but worth nothing. */
  readonly damaged: readonly string[];
}

export interface RecordStore {
  /** Errors: `input-output`, `permission-denied` of the Files port. */
  load(): StoredRecords;
  /** On the disk when it returns null; otherwise the old record stands. */
  saveDisk(record: DiskRecord): Outcome;
  saveRun(record: RunRecord): Outcome;
}

export function createRecordStore(files: Files, paths: RecordPaths): RecordStore {
  const reserve = `${paths.disk}.reserve`;
  /** Synced, or a power cut would leave its name without its room. */
  const keepReserve = (): void => {
    try {
      if (!files.exists(reserve)) files.write(reserve, RESERVE, { sync: true, mode: 0o600 });
    } catch {
      // Full: the next record that finds room brings it back.
    }
  };
  const save = (path: string, record: DiskRecord | RunRecord, sync: boolean): Outcome => {
    try {
      files.write(path, encodeRecord(record), { sync, mode: 0o600 });
      return null;
    } catch (error) {
      return { failed: error instanceof Error ? error.message : String(error) };
    }
  };
  const load = (): StoredRecords => {
    const damaged: string[] = [];
    const read = <Parsed>(path: string, parse: (text: string) => Parsed | null): Parsed | null => {
      const text = files.read(path);
      if (text === null) return null;
      const parsed = parse(text);
      if (parsed === null) damaged.push(`${path} is not a lease record of baton; taken as lost`);
      return parsed;
    };
    return {
      disk: read(paths.disk, parseDiskRecord),
      run: read(paths.run, parseRunRecord),
      damaged,
    };
  };
  return {
    load,
    saveDisk(record) {
      let outcome = save(paths.disk, record, true);
      if (outcome !== null && dropped(files, reserve)) outcome = save(paths.disk, record, true);
      if (outcome === null) keepReserve();
      return outcome;
    },
    saveRun: (record) => save(paths.run, record, false),
  };
}
