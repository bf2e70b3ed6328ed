/**
 * Puts a datastore in place for the server: from the replica, or the own files of the last
 * tenure, or a first one from nothing.
 *
 * A new one is built whole beside `server/` and renamed in as the last step, so that a full disk
 * or a crash on the way leaves the replica, and whatever was there, as it was. A former
 * `server/` goes to quarantine as a whole, because k3s refuses to start on certificates that are
 * newer than its datastore.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
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
  if (!prepared.ok) {
    const detail = `started as it is, without a raise or lineage: ${prepared.problem}`;
    return { ok: true, firstRevision: 0, lastTakenOver: 0, detail };
  }
  const { firstRevision, lastTakenOver, records } = prepared;
  const raised = firstRevision > lastTakenOver + 1;
  const detail =
    `epoch ${order.epoch} begins at revision ${firstRevision}, ${from} ends at ` +
    `${lastTakenOver}${raised ? ' (raised)' : ''}, ${records} address records removed`;
  return { ok: true, firstRevision, lastTakenOver, detail };
};

/** Errors become `{ ok: false }`: the promotion gives the lease back and the next one tries. */
export const installDatastore = async (
  order: InstallOrder,
  places: InstallPlaces,
  replica: ReplicaStore,
): Promise<InstallResult> => {
  try {
    if (order.from === 'server') return installOwn(order, places);
    return await installNew(order, places, replica);
  } catch (error) {
    rmSync(building(places), { recursive: true, force: true });
    return { ok: false, detail: datastoreError(error, 'install the datastore').message };
  }
};

const building = (places: InstallPlaces): string => `${places.server}.baton-new`;

const installOwn = (order: InstallOrder, places: InstallPlaces): InstallResult => {
  const path = `${places.server}/db/state.db`;
  if (!existsSync(path)) return { ok: false, detail: `${path} does not exist` };
  return told(prepareForServer(path, order), order, 'the own datastore');
};

const installNew = async (
  order: InstallOrder,
  places: InstallPlaces,
  replica: ReplicaStore,
): Promise<InstallResult> => {
  const target = building(places);
  const path = `${target}/db/state.db`;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(`${target}/db`, { recursive: true, mode: 0o700 });
  let label = 'nothing';
  if (order.from === 'replica') {
    const whole = replica.whole();
    if (whole === null && replica.cursor().revision === 0) {
      rmSync(target, { recursive: true, force: true });
      return { ok: false, detail: 'this node holds no replica' };
    }
    label = 'the replica';
    // Runs in a thread of its own: the lease is renewed while an SD card takes the file.
    await replica.copyInto((database) => backup(database, path, { rate: ALL_PAGES }));
  }
  const prepared = prepareForServer(path, order);
  placeServer(places, target);
  return told(prepared, order, label);
};

/** The last step; from here on the new datastore is the one that counts. */
const placeServer = (places: InstallPlaces, target: string): void => {
  const { server } = places;
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
  syncDirectory(`${server}/..`);
};
