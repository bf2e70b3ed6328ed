/**
 * Real agents on machines that are not as they should be: a full disk, a `server/` of an earlier
 * life, a token that somebody changed, a wall clock that jumps years. The cluster loses nothing.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { makeRig, preload, type Rig, type RigNode } from './agent-rig.ts';

let rig: Rig | null = null;
afterEach(async () => {
  await rig?.close();
  rig = null;
});

/** Without a user namespace nothing can be mounted; root needs none, CI allows it. */
const canMount = spawnSync('unshare', ['-rm', 'true']).status === 0;
/** Room for the key files of a server, not for a datastore: the kernel's own full disk. */
const tinyDisk = (directory: string): string[] => {
  const mount = `mount -t tmpfs -o size=48k tmpfs '${directory}/k3s' && exec "$@"`;
  return ['unshare', '-rm', 'sh', '-c', mount, 'sh'];
};
/** The same where nothing can be mounted: SQLite says it at the end of the installation. */
const fullDatastore = (): string[] =>
  preload(`import { DatabaseSync } from 'node:sqlite';
    const real = DatabaseSync.prototype.exec;
    DatabaseSync.prototype.exec = function (sql) {
      if (sql.includes('wal_checkpoint') && this.location().includes('/k3s/server.')) {
        throw Object.assign(new Error('database or disk is full'),
          { code: 'ERR_SQLITE_ERROR', errcode: 13, errstr: 'database or disk is full' });
      }
      return real.call(this, sql);
    };`);
/** Not even an empty replica fits into its memory. */
const tinyMemory = (directory: string): string[] => {
  const place = `'${directory}/run/replica'`;
  const mount = `mkdir -p ${place} && mount -t tmpfs -o size=48k tmpfs ${place} && exec "$@"`;
  return ['unshare', '-rm', 'sh', '-c', mount, 'sh'];
};
/** As the unit's sandbox does it with what it does not know. */
const readOnlyData = (directory: string): string[] => {
  const mount = `mount -t tmpfs -o ro tmpfs '${directory}/k3s' && exec "$@"`;
  return ['unshare', '-rm', 'sh', '-c', mount, 'sh'];
};
/** Ten years ahead from the third second on, and back before 1980 from the sixth. */
const jumpingClock = (): string[] =>
  preload(`const real = Date.now; const start = real();
   Date.now = () => { const at = real(); const year = 31557600000;
     return at - start > 6000 ? at - 47 * year : at - start > 3000 ? at + 10 * year : at; };`);

interface Settings {
  stream: Record<string, number>;
}

/** What the API of a master answers on its ConfigMaps: all of them, or the one just written. */
function configMaps(node: RigNode, written: string | null): Promise<unknown> {
  const token = readFileSync(join(node.directory, 'k3s/server/cred/admin.token'), 'utf8').trim();
  const metadata = { name: written };
  const options = {
    host: node.address,
    port: 6443,
    path: '/api/v1/namespaces/default/configmaps',
    method: written === null ? 'GET' : 'POST',
    rejectUnauthorized: false,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  };
  return new Promise((resolve, reject) => {
    const asked = request(options, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      answer.on('end', () => resolve(JSON.parse(text)));
    });
    asked.on('error', reject);
    asked.end(
      written === null ? '' : JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata }),
    );
  });
}

/** Resolves with the resource version of the new object. */
async function write(node: RigNode, name: string): Promise<number> {
  const answer = (await configMaps(node, name)) as { metadata: { resourceVersion: string } };
  return Number(answer.metadata.resourceVersion);
}

/** How many of the ConfigMaps written before the failover a master serves. */
async function countOf(node: RigNode): Promise<number> {
  const { items } = (await configMaps(node, null)) as { items: { metadata: { name: string } }[] };
  return items.filter(({ metadata }) => metadata.name.startsWith('before-')).length;
}

/** Twenty ConfigMaps on the master, held by `receivers`. */
async function written(one: Rig, master: string, receivers: readonly string[]): Promise<void> {
  const revisions = [];
  for (let count = 0; count < 20; count += 1) {
    revisions.push(await write(one.node(master), `before-${count}`));
  }
  const newest = Math.max(...revisions);
  await one.until('the receivers hold every row', 60_000, async () => {
    const held = await Promise.all(receivers.map((name) => one.report(name)));
    return held.every((report) => (report?.revision ?? 0) >= newest) ? held : null;
  });
}

const fullDisks: readonly (readonly [string, (directory: string) => string[]])[] = [
  ...(canMount ? [['a disk without room', tinyDisk] as const] : []),
  ['a datastore that finds no room', fullDatastore],
];

test.each(fullDisks)(
  '%s during a promotion: the lease is given back, the next one takes over, nothing is lost',
  async (_what, full) => {
    const one = makeRig({
      names: ['first', 'full', 'third'],
      within: (name, directory) => (name === 'full' ? full(directory) : []),
    });
    rig = one;
    for (const { name } of one.nodes) one.start(name);
    // The first term may begin on `full`: an empty datastore is no copy.
    const master = await one.serving(60_000);
    const others = ['first', 'full', 'third'].filter((name) => name !== master.node);
    await written(one, master.node, others);
    if (master.node === 'full') {
      await one.move('full', 'first');
      await one.serving(60_000, 'full');
    }
    const from = master.node === 'full' ? 'first' : master.node;
    const held = await one.serving(60_000, 'full');
    await follows(one, 'full', held.epoch);

    await one.move(from, 'full');
    const said = (): string => readFileSync(one.node('full').log, 'utf8');
    await one.until('the promotion on the full disk fails', 60_000, async () =>
      /gives the role back: install_datastore failed.*(disk|space)/.test(said()) ? true : null,
    );
    const next = await one.serving(60_000, 'full');
    expect(next.epoch).toBeGreaterThan(held.epoch);
    expect(await countOf(one.node(next.node))).toBe(20);
    // It goes on receiving: what it held is as it was.
    await follows(one, 'full', next.epoch);
  },
  600_000,
);

test.runIf(canMount)(
  'a node without memory for a replica votes and says so',
  async () => {
    let small = '';
    const one = makeRig({
      names: ['first', 'second', 'third'],
      within: (name, directory) => (name === small ? tinyMemory(directory) : []),
    });
    rig = one;
    for (const { name } of one.nodes) one.start(name);
    const master = await one.serving(60_000);
    const [other = '', last = ''] = one.nodes.flatMap(({ name }) =>
      name === master.node ? [] : [name],
    );
    await written(one, master.node, [other, last]);
    small = last;
    one.crash(small, { reboot: true });
    one.start(small);
    await one.until('it says so', 60_000, async () => {
      const report = await one.report(small);
      const told = report?.findings.some(({ code }) => code === 'replica-failed') ?? false;
      return told && report?.phase === 'following' ? report : null;
    });
    one.crash(master.node, { reboot: true });
    const next = await one.serving(60_000, master.node);
    expect(next.node, 'by two votes, one of them of the small one').toBe(other);
    expect(await countOf(one.node(other))).toBe(20);
  },
  600_000,
);

test.runIf(canMount)(
  'a data directory that is read-only is told before a promotion',
  async () => {
    const one = makeRig({
      names: ['alone'],
      within: (_name, directory) => readOnlyData(directory),
    });
    rig = one;
    one.start('alone');
    const { findings } = await one.until('it says so', 60_000, async () => {
      const report = await one.report('alone');
      return (report?.findings.length ?? 0) > 0 ? report : null;
    });
    const text = expect.stringMatching(/alone\/k3s: .*read-only.*ReadWritePaths=/);
    expect(findings[0]).toEqual({ code: 'read-only-file-system', text });
  },
  600_000,
);

test('an old server, a jumping clock and a changed token lose nothing', async () => {
  const one = makeRig({
    names: ['first', 'jumps', 'third'],
    adjust: (_name, settings) => {
      (settings as unknown as Settings).stream = { archive_interval_ms: 1000 };
    },
    within: (name) => (name === 'jumps' ? jumpingClock() : []),
  });
  rig = one;
  leaveOldServer(one.node('jumps'));
  for (const { name } of one.nodes) one.start(name);
  const master = await one.serving(60_000);
  // What cannot be read is never replaced by an empty datastore, so it is not the first master.
  expect(['first', 'third']).toContain(master.node);
  const other = master.node === 'first' ? 'third' : 'first';
  await written(one, master.node, [other, 'jumps']);
  expect(quarantined(one.node('jumps'))).toHaveLength(1);

  // Somebody edits the token of the running master: no receiver may take it over.
  appendFileSync(join(one.node(master.node).directory, 'rancher/token'), 'x');
  await one.until('a receiver refuses the archive', 60_000, async () => {
    const codes = (await one.report('jumps'))?.findings.map(({ code }) => code) ?? [];
    return codes.includes('token-mismatch') || codes.includes('archive-refused') ? codes : null;
  });
  one.crash(master.node, { reboot: true });
  const last = await one.serving(60_000, master.node);
  expect(last.epoch).toBeGreaterThan(master.epoch);
  expect(await countOf(one.node(last.node))).toBe(20);
}, 600_000);

function leaveOldServer(node: RigNode): void {
  mkdirSync(join(node.directory, 'k3s/server/db'), { recursive: true });
  writeFileSync(join(node.directory, 'k3s/server/db/state.db'), 'not a database\n');
  writeFileSync(join(node.directory, 'k3s/server/token'), 'of another life\n');
}

const follows = (one: Rig, name: string, epoch: number): Promise<unknown> =>
  one.until(`${name} follows with every row`, 60_000, async () => {
    const report = await one.report(name);
    const { lineage_epoch: lineage = 0, phase = '' } = report ?? {};
    return phase === 'following' && lineage === epoch ? report : null;
  });

const quarantined = (node: RigNode): string[] =>
  readdirSync(join(node.directory, 'k3s/baton-quarantine'));
