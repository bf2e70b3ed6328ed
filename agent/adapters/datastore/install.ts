/**
 * Puts a datastore in place for the server: from the replica, or the own files of the last
 * tenure, or a first one from nothing.
 *
 * A new one is built beside `server/`, gets another name once it is whole and on the disk, and is
 * renamed in as the last step. A full disk or a crash on the way leaves the replica, and whatever
 * was there, as it was; a power cut, which takes the replica in RAM, leaves a tree whose name says
 * whether it is whole (adopt.ts). A former `server/` goes to quarantine as a whole, because k3s
 * refuses to start on certificates that are newer than its datastore.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { backup } from 'node:sqlite';
import type { InstallOrder, InstallResult } from '../../stream/api.ts';
import { syncDirectory } from './durable.ts';
import { type Prepared, prepareForServer } from './prepare.ts';
import { quarantineServer } from './quarantine.ts';
import type { ReplicaStore } from './replica.ts';
import { datastoreError } from './sqlite-errors.ts';

export interface InstallPlaces {
  /** `<k3s data directory>/server`. */
  readonly server: string;
  readonly quarantine: string;
}

/** One step however many pages: nobody writes to the replica meanwhile. */
const ALL_PAGES = 1_000_000_000;

const told = (prepared: Prepared, order: InstallOrder, from: string): InstallResult => {
  const needsArchive = order.from === 'replica';
  if (!prepared.ok) {
    const detail = `started as it is, without a raise or lineage: ${prepared.problem}`;
    return { ok: true, firstRevision: 0, lastTakenOver: 0, detail, needsArchive };
  }
  const { firstRevision, lastTakenOver, records } = prepared;
  const raised = firstRevision > lastTakenOver + 1;
  const detail =
    `epoch ${order.epoch} begins at revision ${firstRevision}, ${from} ends at ` +
    `${lastTakenOver}${raised ? ' (raised)' : ''}, ${records} address records removed`;
  return { ok: true, firstRevision, lastTakenOver, detail, needsArchive };
};

/**
 * `onDisk` is called once the new rows are on the disk whole, before they take their place: what
 * it notes of them holds from the first moment on at which they could be found there.
 * Errors become `{ ok: false }`: the promotion gives the lease back and the next one tries.
 */
export const installDatastore = async (
  order: InstallOrder,
  places: InstallPlaces,
  replica: ReplicaStore,
  onDisk: () => void,
): Promise<InstallResult> => {
  try {
    if (order.from === 'server') return installOwn(order, places, onDisk);
    return await installNew(order, places, replica, onDisk);
  } catch (error) {
    discardTrees(places);
    return { ok: false, detail: datastoreError(error, 'install the datastore').message };
  }
};

/** Not whole yet: never looked into again. */
const building = (places: InstallPlaces): string => `${places.server}.baton-building`;
/** Whole and on the disk: only renames are left to do. */
export const waitingTree = (places: InstallPlaces): string => `${places.server}.baton-new`;

/** Removes what was built; by its unfinished name first, for a removal can stop half-way. */
export const discardTrees = (places: InstallPlaces): void => {
  const unfinished = building(places);
  rmSync(unfinished, { recursive: true, force: true });
  if (!existsSync(waitingTree(places))) return;
  renameSync(waitingTree(places), unfinished);
  rmSync(unfinished, { recursive: true, force: true });
};

const installOwn = (
  order: InstallOrder,
  places: InstallPlaces,
  onDisk: () => void,
): InstallResult => {
  const path = `${places.server}/db/state.db`;
  if (!existsSync(path)) return { ok: false, detail: `${path} does not exist` };
  onDisk();
  return told(prepareForServer(path, order), order, 'the own datastore');
};

const installNew = async (
  order: InstallOrder,
  places: InstallPlaces,
  replica: ReplicaStore,
  onDisk: () => void,
): Promise<InstallResult> => {
  const target = building(places);
  const path = `${target}/db/state.db`;
  discardTrees(places);
  mkdirSync(`${target}/db`, { recursive: true, mode: 0o700 });
  let label = 'nothing';
  if (order.from === 'replica') {
    const whole = replica.whole();
    if (whole === null && replica.cursor().revision === 0) {
      discardTrees(places);
      return { ok: false, detail: 'this node holds no replica' };
    }
    label = 'the replica';
    // Runs in a thread of its own: the lease is renewed while an SD card takes the file.
    await replica.copyInto((database) => backup(database, path, { rate: ALL_PAGES }));
  }
  const prepared = prepareForServer(path, order);
  for (const directory of [`${target}/db`, target]) syncDirectory(directory);
  renameSync(target, waitingTree(places));
  syncDirectory(dirname(places.server));
  onDisk();
  placeServer(places);
  return told(prepared, order, label);
};

/** The last step: the waiting tree becomes `server/`; goes on where an earlier call stopped. */
export const placeServer = (places: InstallPlaces): void => {
  const { server } = places;
  const target = waitingTree(places);
  // Certificates of an earlier life are newer than the datastore, and k3s would refuse.
  const used = ['db/state.db', 'tls', 'cred'].some((part) => existsSync(`${server}/${part}`));
  if (used) quarantineServer(server, places.quarantine);
  if (existsSync(server)) {
    rmSync(`${server}/db`, { recursive: true, force: true });
    renameSync(`${target}/db`, `${server}/db`);
    rmSync(target, { recursive: true, force: true });
    syncDirectory(server);
  } else renameSync(target, server);
  syncDirectory(`${server}/db`);
  syncDirectory(dirname(server));
};
