/**
 * A compaction in pieces: the agent has turns in between, rows go on arriving, and whenever it
 * stops (a crash, a promotion) what is there is a history that a server can go on with.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReplicaStore } from '../../../agent/adapters/datastore/replica.ts';
import {
  applyRows,
  compactRows,
  compactStep,
  openReplicaFile,
  type ReplicaFile,
} from '../../../agent/adapters/datastore/replica-file.ts';
import type { KineRow } from '../../../agent/stream/api.ts';
import { COMPACT_ROW_NAME } from '../../../agent/stream/digest.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-steps-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What kine would write: `name` null is the mark's own row. */
class Writer {
  readonly rows: KineRow[] = [];
  readonly #newest = new Map<string, { id: number; deleted: boolean }>();

  write(name: string | null, deleted: boolean): void {
    const id = this.rows.length + 1;
    const before = name === null ? undefined : this.#newest.get(name);
    if (deleted && (before === undefined || before.deleted)) return;
    if (name !== null) this.#newest.set(name, { id, deleted });
    this.rows.push({
      id,
      name: name ?? COMPACT_ROW_NAME,
      created: before === undefined || before.deleted ? 1 : 0,
      deleted: deleted ? 1 : 0,
      createRevision: 0,
      prevRevision: before?.id ?? 0,
      lease: 0,
      value: new Uint8Array(8),
      oldValue: null,
    });
  }
}

/** A row that kine writes for an object whose rows are all compacted away. */
const anew = (id: number, name: string): KineRow => ({
  id,
  name,
  created: 1,
  deleted: 0,
  createRevision: 0,
  prevRevision: 0,
  lease: 0,
  value: new Uint8Array(8),
  oldValue: null,
});

const ids = (file: ReplicaFile): number[] =>
  file.table.after(0, { maxRows: 100_000, maxBytes: 1e9 }).map(({ id }) => id);
const live = (file: ReplicaFile, at: number): string[] =>
  file.table
    .liveSlice(at, '', 100_000)
    .filter(({ deleted, name }) => !deleted && name !== COMPACT_ROW_NAME)
    .map(({ name, id }) => `${name} ${id}`);

const history = fc.array(fc.record({ name: fc.integer({ min: 0, max: 5 }), gone: fc.boolean() }), {
  minLength: 5,
  maxLength: 40,
});

test('stopped anywhere and begun anew, it removes what kine removes at once', () => {
  let files = 0;
  fc.assert(
    fc.property(history, fc.nat(), fc.nat(), fc.nat(6), (steps, first, second, crash) => {
      const writer = new Writer();
      writer.write(null, false);
      for (const { name, gone } of steps) writer.write(`/registry/${name}`, gone);
      const last = writer.rows.length;
      const [low = 0, high = 0] = [first % last, second % last].sort((a, b) => a - b);
      const path = `${folder}/${files++}`;
      let pieces = openReplicaFile(`${path}-pieces.db`);
      const whole = openReplicaFile(`${path}-whole.db`);
      applyRows(pieces, writer.rows);
      applyRows(whole, writer.rows);
      const alive = live(pieces, last);

      compactRows(pieces, low);
      for (let count = 0; count < crash; count++) compactStep(pieces, 3);
      expect(live(pieces, last)).toEqual(alive);
      pieces.database.close();
      pieces = openReplicaFile(`${path}-pieces.db`);
      expect(pieces.rawMark, 'what may be gone is known').toBe(low);
      compactRows(pieces, high);
      while (compactStep(pieces, 3)) expect(live(pieces, last)).toEqual(alive);
      whole.table.compact(high);
      expect(ids(pieces)).toEqual(ids(whole));
      pieces.database.close();
      whole.database.close();
    }),
    { numRuns: 25 },
  );
});

/** A replica of `objects` deleted objects and one that lives, and how many rows it has. */
function bigReplica(objects: number) {
  const writer = new Writer();
  writer.write(null, false);
  for (let count = 0; count < objects; count++) writer.write(`/registry/x/${count}`, false);
  for (let count = 0; count < objects; count++) writer.write(`/registry/x/${count}`, true);
  writer.write('/registry/y', false);
  const store = new ReplicaStore(`${folder}/ram`, `${folder}/cut-off`);
  store.apply(writer.rows);
  const rows = () => ids(store.open()).length;
  return { store, rows, last: writer.rows.length };
}

test('at most 1000 rows go between two turns, and rows are applied in between', async () => {
  const { store, rows, last } = bigReplica(3000);
  store.compact(last - 1, 1);
  expect(store.mark(), 'what may be gone is told at once').toBe(last - 1);
  let turns = 0;
  for (let before = last; before > 3; turns++) {
    const now = rows();
    expect(before - now).toBeLessThanOrEqual(1000);
    before = now;
    // The last object to be reached: its first row is still here, and the new one has its key.
    if (turns === 2) store.apply([anew(last + 1, '/registry/x/2999')]);
    await turn();
  }
  expect(turns).toBeGreaterThan(6);
  expect(ids(store.open())).toEqual([1, last, last + 1]);
  store.close();
});

test('an object made again after a crash in between is taken', async () => {
  const { store, last } = bigReplica(3000);
  store.compact(last - 1, 1);
  store.close();
  const again = new ReplicaStore(`${folder}/ram`, `${folder}/cut-off`);
  again.apply([anew(last + 1, '/registry/x/2999')]);
  again.compact(last, 1);
  for (let turns = 0; turns < 20; turns++) await turn();
  expect(ids(again.open())).toEqual([1, last, last + 1]);
  again.close();
});

test('a promotion does not wait for it, and the next server finds nothing amiss', async () => {
  const { store, rows, last } = bigReplica(3000);
  store.compact(last - 1, 1);
  const left = rows();
  await store.copyInto(async () => {
    for (let turns = 0; turns < 5; turns++) await turn();
    expect(rows(), 'nothing writes on a connection that is being copied').toBe(left);
  });
  expect(live(store.open(), last)).toEqual([`/registry/y ${last}`]);
  store.close();
});
