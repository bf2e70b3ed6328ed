/**
 * kine's table as the agent writes it and as the stand-in does: two readings of kine's source, kept
 * apart so that a mistake in one of them shows. The real kine's is compared in test/real.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { createSchema } from '../../../agent/adapters/datastore/kine-schema.ts';
import { openDatastore } from '../../control-plane/embedded/datastore.ts';
import { schemaOf } from './schema-of.ts';

test('agent and stand-in agree on table and indexes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-schema-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  openDatastore(folder, 1).close();
  const standIn = new DatabaseSync(join(folder, 'db/state.db'), { readOnly: true });
  const agent = new DatabaseSync(':memory:');
  createSchema(agent);
  expect(schemaOf(agent)).toEqual(schemaOf(standIn));
  expect(schemaOf(agent)).toHaveLength(7);
  standIn.close();
  agent.close();
});
