/** The copy of the replica on the disk: what is left when it is read back half. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReplicaStore } from '../../../agent/adapters/datastore/replica.ts';
import { SavedReplica } from '../../../agent/adapters/datastore/replica-save.ts';
import type { KineRow } from '../../../agent/stream/api.ts';

const rows: KineRow[] = Array.from({ length: 400 }, (_, index) => ({
  id: index + 1,
  name: `/registry/things/${index}`,
  created: 1,
  deleted: 0,
  createRevision: index + 1,
  prevRevision: 0,
  lease: 0,
  value: new Uint8Array(1024),
  oldValue: null,
}));

const adapters = join(import.meta.dirname, '../../../agent/adapters/datastore');
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-saved-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `work` in a process of its own, in which `patch` has put a SIGKILL into node:fs. */
function killed(patch: string, work: string): void {
  const script = `import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const [adapters, folder] = ${JSON.stringify([adapters, folder])};
    ${patch}
    syncBuiltinESMExports();
    ${work}`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  expect(child.signal).toBe('SIGKILL');
}

test('an agent that is killed while it reads the copy back does not lose it', async () => {
  const first = new ReplicaStore(`${folder}/first`, `${folder}/cut-off`);
  first.apply(rows);
  await new SavedReplica(`${folder}/state`).save(first);
  first.close();

  const cutOff = `fs.copyFileSync = (from, to) => {
    fs.writeFileSync(to, fs.readFileSync(from).subarray(0, 8192));
    process.kill(process.pid, 'SIGKILL');
  };`;
  killed(
    cutOff,
    `const { SavedReplica } = await import(adapters + '/replica-save.ts');
    fs.mkdirSync(folder + '/ram');
    new SavedReplica(folder + '/state').loadInto(folder + '/ram/replica.db');`,
  );

  new SavedReplica(`${folder}/state`).loadInto(`${folder}/ram/replica.db`);
  const second = new ReplicaStore(`${folder}/ram`, `${folder}/cut-off`);
  expect(second.position().revision).toBe(400);
  expect(second.findings()).toEqual([]);
  second.close();
});

test('an agent that is killed while a new copy takes the old one’s place keeps one of them', () => {
  const old = new ReplicaStore(`${folder}/ram`, `${folder}/cut-off`);
  old.apply(rows.slice(0, 100));
  old.close();
  killed(
    `fs.renameSync = () => process.kill(process.pid, 'SIGKILL');`,
    `const { ReplicaStore } = await import(adapters + '/replica.ts');
    const store = new ReplicaStore(folder + '/ram', folder + '/cut-off');
    store.beginCopy([], null, 'a test');
    store.endCopy();`,
  );
  const found = new ReplicaStore(`${folder}/ram`, `${folder}/cut-off`);
  expect(found.position().revision).toBe(100);
  found.close();
});
