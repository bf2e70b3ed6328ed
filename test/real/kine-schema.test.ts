/** kine's own table and indexes are those that the agent makes for a replica. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import { createSchema } from '../../agent/adapters/datastore/kine-schema.ts';
import { controlPlanePath } from '../control-plane/real/build.mjs';
import { schemaOf } from '../unit/embedded/schema-of.ts';
import { endAll, StandIn } from './stand-in.ts';

const folder = mkdtempSync(join(tmpdir(), 'baton-real-schema-'));
afterAll(() => {
  endAll();
  rmSync(folder, { recursive: true, force: true });
});

test('the schema that kine makes is the one that the agent knows', async () => {
  const built = await controlPlanePath();
  if (!built.ok) throw new TypeError(built.reason);
  const server = await StandIn.start(built.path, folder, 'a-token-for-the-schema', {});
  await server.end('SIGTERM');
  const kine = new DatabaseSync(join(folder, 'server/db/state.db'), { readOnly: true });
  const agent = new DatabaseSync(':memory:');
  createSchema(agent);
  expect(schemaOf(agent)).toEqual(schemaOf(kine));
  kine.close();
  agent.close();
}, 1_500_000);
