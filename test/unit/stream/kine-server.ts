/**
 * A writer of kine's table as kine itself writes it: create, update, delete, compact. The same
 * file layout as k3s (`server/db/state.db` in WAL mode), a connection of its own.
 */
import { mkdirSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { createSchema } from '../../../agent/adapters/datastore/kine-schema.ts';
import { KineTable } from '../../../agent/adapters/datastore/kine-table.ts';
import type { LiveSlices } from '../../../agent/stream/live-state.ts';

export class KineServer {
  readonly database: DatabaseSync;
  readonly table: KineTable;

  /** Makes or opens the datastore below `k3sDataDirectory`. */
  constructor(k3sDataDirectory: string) {
    mkdirSync(`${k3sDataDirectory}/server/db`, { recursive: true });
    this.database = new DatabaseSync(`${k3sDataDirectory}/server/db/state.db`, { timeout: 2000 });
    this.database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    createSchema(this.database);
    this.table = new KineTable(this.database);
    if (this.table.mark().markRow === 0) this.#insert('compact_rev_key', 1, 0, 0, 0, '');
  }

  #insert(
    name: string,
    created: number,
    deleted: number,
    createRevision: number,
    previous: number,
    value: string,
  ): number {
    const result = this.database
      .prepare(
        'INSERT INTO kine (name, created, deleted, create_revision, prev_revision, lease, value, ' +
          'old_value) VALUES (?, ?, ?, ?, ?, 0, ?, ?)',
      )
      .run(name, created, deleted, createRevision, previous, Buffer.from(value), null);
    return Number(result.lastInsertRowid);
  }

  #newest(name: string): number {
    const found = this.database.prepare('SELECT MAX(id) AS id FROM kine WHERE name = ?').get(name);
    return Number(found?.id ?? 0);
  }

  /** Creates or updates; returns the revision. */
  put(name: string, value: string): number {
    const previous = this.#newest(name);
    return this.#insert(name, previous === 0 ? 1 : 0, 0, previous, previous, value);
  }

  delete(name: string): number {
    return this.#insert(name, 0, 1, 0, this.#newest(name), '');
  }

  /** As kine's compactor does it: rows and mark in one transaction. */
  compact(upTo: number): void {
    this.database.exec('BEGIN IMMEDIATE');
    this.table.compact(upTo);
    this.table.setMark(upTo);
    this.database.exec('COMMIT');
  }

  head(): number {
    return this.table.head();
  }

  /** Live names with their values. */
  live(): Map<string, string> {
    return liveObjects(this.table);
  }

  stop(): void {
    if (this.database.isOpen) this.database.close();
  }
}

/** What an API client would list: name → value of the newest row, deleted ones left out. */
export const liveObjects = (table: LiveSlices): Map<string, string> => {
  const objects = new Map<string, string>();
  for (const row of table.liveSlice(Number.MAX_SAFE_INTEGER, '', 1_000_000)) {
    if (row.deleted || row.name === 'compact_rev_key') continue;
    objects.set(row.name, `${row.id}:${Buffer.from(row.value ?? '').toString('utf8')}`);
  }
  return objects;
};
