/**
 * Makes a datastore file ready for the next server: the raise on loss, the former master's
 * address record, the lineage entry; all in one synced transaction.
 *
 * Where the compaction mark goes was tried on a real API server (DESIGN section 4): the old last
 * id serves stale lists, the filler's own id stops compaction for good, filler - 1 makes every
 * client list again and lets compaction go on.
 */
import { DatabaseSync } from 'node:sqlite';
import type { InstallOrder, KineRow } from '../../stream/api.ts';
import { COMPACT_ROW_NAME } from '../../stream/digest.ts';
import { fillerRevision } from '../../stream/lineage.ts';
import { createSchema, schemaProblem } from './kine-schema.ts';
import { KineTable } from './kine-table.ts';
import { appendLineage } from './lineage-table.ts';
import { inTransaction } from './sqlite-errors.ts';

/** Where kube-apiserver keeps the address of each server, refreshed every 10 s. */
const MASTER_LEASES = '/registry/masterleases/';

export type Prepared =
  | {
      readonly ok: true;
      readonly firstRevision: number;
      readonly lastTakenOver: number;
      readonly records: number;
    }
  /** Unknown schema: the file is left as it is. */
  | { readonly ok: false; readonly problem: string };

const blank: Omit<KineRow, 'id' | 'name'> = {
  created: 0,
  deleted: 0,
  createRevision: 0,
  prevRevision: 0,
  lease: 0,
  value: null,
  oldValue: null,
};

/** Inserts the filler and moves the mark below it; returns the filler's id. */
const raise = (table: KineTable, last: number, epoch: number): number => {
  const filler = fillerRevision(last, epoch);
  // As kine's own Fill writes it: a deleted row that no watch is told of.
  table.insert({ ...blank, id: filler, name: `gap-${filler}`, deleted: 1 });
  if (table.mark().markRow === 0) {
    table.insert({
      ...blank,
      id: filler + 1,
      name: COMPACT_ROW_NAME,
      created: 1,
      value: new Uint8Array(0),
    });
  }
  table.setMark(filler - 1);
  return filler;
};

/** Tombstones as kine's own Delete writes them. Returns how many records were removed. */
const removeAddressRecords = (table: KineTable): number => {
  const names = table.namesBelow(MASTER_LEASES);
  for (const name of names) {
    const live = table.live(name);
    if (live === null) continue;
    table.insert({
      ...blank,
      id: table.head() + 1,
      name,
      deleted: 1,
      prevRevision: live.id,
      oldValue: live.value,
    });
  }
  return names.length;
};

/** Opens `path` (made when absent, for a first server), prepares it, syncs and closes it. */
export const prepareForServer = (path: string, order: InstallOrder): Prepared => {
  const database = new DatabaseSync(path, { timeout: 5000 });
  try {
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    const problem = schemaProblem(database);
    if (problem !== null && problem !== 'absent') return { ok: false, problem: problem.text };
    const prepared = inTransaction(database, 'IMMEDIATE', (): Prepared => {
      createSchema(database);
      database.exec('DROP TABLE IF EXISTS baton_stream');
      const table = new KineTable(database);
      const last = table.head();
      const markBefore = table.mark().mark;
      // Without a row too: rows that are lost were given numbers.
      const first = order.raise ? raise(table, last, order.epoch) : last + 1;
      const records = order.previousMaster === null ? 0 : removeAddressRecords(table);
      appendLineage(database, {
        epoch: order.epoch,
        firstRevision: first,
        lastTakenOver: last,
        markBefore: order.raise ? markBefore : null,
      });
      // Rows were cut off or copied with their ids: the counter must agree with the last one.
      if (table.head() > 0) table.setSequence(table.head());
      return { ok: true, firstRevision: first, lastTakenOver: last, records };
    });
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return prepared;
  } finally {
    database.close();
  }
};
