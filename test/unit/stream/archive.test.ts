/** The archive: what travels, what is refused, the token, and what a promotion writes. */
import { createCipheriv, createHash, pbkdf2Sync, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { packTar } from 'modern-tar';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { mayTravel, parseManifest, sha256 } from '../../../agent/adapters/archive/manifest.ts';
import { packFiles, unpackFiles } from '../../../agent/adapters/archive/pack.ts';
import { archiveStore } from '../../../agent/adapters/archive.ts';
import { ReplicaStore } from '../../../agent/adapters/datastore/replica.ts';
import type { ArchiveInfo, ArchiveStore } from '../../../agent/stream/api.ts';

const password = 'the-token';
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-archive-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (path: string, text: string, mode = 0o600): void => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text, { mode });
};
const get = (path: string): string => readFileSync(join(folder, path), 'utf8');

const storeOf = (node: string): ArchiveStore =>
  archiveStore({
    k3sDataDirectory: join(folder, node, 'k3s'),
    k3sConfigDirectory: join(folder, node, 'etc'),
    stateDirectory: join(folder, node, 'state'),
    tokenFile: join(folder, node, 'etc/token'),
  });

/** As k3s seals it (pkg/cluster/encrypt.go). */
const bootstrapRow = (secret: string) => {
  const salt = randomBytes(8).toString('hex');
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', pbkdf2Sync(secret, salt, 4096, 32, 'sha1'), nonce);
  const sealed = Buffer.concat([nonce, cipher.update('{}'), cipher.final(), cipher.getAuthTag()]);
  const digits = createHash('sha256').update(secret).digest('hex').slice(0, 12);
  return {
    name: `/bootstrap/${digits}`,
    value: Buffer.from(`${salt}:${sealed.toString('base64')}`),
  };
};

const replicaWith = (secret: string | null): ReplicaStore => {
  const replica = new ReplicaStore(join(folder, `replica-${secret}`), join(folder, 'cut'));
  if (secret === null) return replica;
  const row = bootstrapRow(secret);
  const rest = { created: 1, deleted: 0, createRevision: 0, prevRevision: 0, lease: 0 };
  replica.apply([{ id: 1, ...rest, ...row, oldValue: null }]);
  return replica;
};

const master = (): ArchiveStore => {
  put('pi1/k3s/server/token', `K10abc::server:${password}\n`);
  put('pi1/k3s/server/manifests/mine.yaml', 'kind: ConfigMap', 0o644);
  put('pi1/k3s/server/static/charts/chart.tgz', 'x'.repeat(200_000));
  put('pi1/k3s/server/db/state.db', 'never');
  put('pi1/k3s/server/tls/server-ca.key', 'never');
  put('pi1/k3s/server/cred/passwd', 'never');
  put('pi1/k3s/server/access.log', 'never');
  put('pi1/k3s/agent/client.key', 'never');
  put('pi1/etc/config.yaml', 'disable: traefik', 0o644);
  put('pi1/etc/config.yaml.d/10-this-node.local.yaml', 'never');
  put('pi1/etc/k3s.yaml', 'never');
  return storeOf('pi1');
};

const carry = async (from: ArchiveStore, to: ArchiveStore): Promise<ArchiveInfo> => {
  const info = await from.current();
  if (info === null) throw new TypeError('nothing to carry');
  to.begin(info);
  for (let offset = 0; offset < info.bytes; offset += 1000) {
    to.append(offset, await from.chunk(info.id, offset, Math.min(1000, info.bytes - offset)));
  }
  return info;
};

test('what a server needs travels, and nothing else', async () => {
  const receiver = storeOf('pi2');
  const replica = replicaWith(password);
  const info = await carry(master(), receiver);
  expect(await receiver.finish(replica)).toMatchObject({ ok: true });
  expect(receiver.heldId()).toBe(info.id);
  expect(JSON.parse(info.manifest).files.map((file: { path: string }) => file.path)).toEqual([
    'config/config.yaml',
    'server/manifests/mine.yaml',
    'server/static/charts/chart.tgz',
    'server/token',
  ]);
  expect(await receiver.install(replica)).toMatchObject({ ok: true });
  expect(get('pi2/k3s/server/token')).toContain(password);
  expect(get('pi2/etc/config.yaml')).toBe('disable: traefik');
  expect(statSync(join(folder, 'pi2/k3s/server/token')).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'pi2/etc/config.yaml')).mode & 0o777).toBe(0o644);
  expect(existsSync(join(folder, 'pi2/k3s/server/db'))).toBe(false);
  expect(storeOf('pi2').heldId(), 'after a restart').toBe(info.id);
});

test('it is made anew when a file has changed, and only then', async () => {
  const store = master();
  const first = await store.current();
  expect(await store.current()).toBe(first);
  put('pi1/k3s/server/manifests/mine.yaml', 'kind: Secret');
  const second = await store.current();
  expect(second?.id).not.toBe(first?.id);
  expect(await store.chunk(first?.id ?? '', 0, 10)).toHaveLength(0);
});

test('files that an archive no longer has are removed, those of this node are not', async () => {
  const from = master();
  const to = storeOf('pi2');
  const replica = replicaWith(password);
  put('pi2/etc/config.yaml.d/10-this-node.local.yaml', 'node-ip: 10.0.0.2');
  put('pi2/etc/registries.yaml', 'put here by a person');
  await carry(from, to);
  await to.finish(replica);
  await to.install(replica);
  rmSync(join(folder, 'pi1/k3s/server/manifests/mine.yaml'));
  await carry(from, to);
  await to.finish(replica);
  await to.install(replica);
  expect(existsSync(join(folder, 'pi2/k3s/server/manifests/mine.yaml'))).toBe(false);
  expect(get('pi2/etc/config.yaml.d/10-this-node.local.yaml')).toBe('node-ip: 10.0.0.2');
  expect(get('pi2/etc/registries.yaml')).toBe('put here by a person');
});

test('a truncated or altered archive is refused and the one before is kept', async () => {
  const from = master();
  const to = storeOf('pi2');
  const replica = replicaWith(password);
  const good = await carry(from, to);
  await to.finish(replica);
  put('pi1/etc/config.yaml', 'disable: nothing');
  const next = await from.current();
  if (next === null) throw new TypeError('no archive');
  const bytes = Buffer.from(await from.chunk(next.id, 0, next.bytes));
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  to.begin(next);
  to.append(0, bytes);
  expect(await to.finish(replica)).toMatchObject({ ok: false });
  to.begin(next);
  to.append(0, bytes.subarray(0, middle));
  expect(await to.finish(replica)).toMatchObject({ ok: false });
  expect(to.heldId()).toBe(good.id);
  expect(to.findings().map((finding) => finding.code)).toEqual(['archive-refused']);
  expect(await to.install(replica)).toMatchObject({ ok: true });
});

test('the old archive counts until the new one is whole on the disk', async () => {
  const from = master();
  const to = storeOf('pi2');
  const replica = replicaWith(password);
  const good = await carry(from, to);
  await to.finish(replica);
  put('pi1/etc/config.yaml', 'disable: nothing');
  // Where the power goes between the new bytes and the record of them.
  mkdirSync(join(folder, 'pi2/state/archive/held.json.baton-new'));
  const next = await carry(from, to);
  expect(await to.finish(replica)).toMatchObject({ ok: false });
  const restarted = storeOf('pi2');
  expect(restarted.heldId()).toBe(good.id);
  expect(await restarted.install(replica)).toMatchObject({ ok: true });
  expect(get('pi2/etc/config.yaml')).toBe('disable: traefik');
  rmSync(join(folder, 'pi2/state/archive/held.json.baton-new'), { recursive: true });
  await carry(from, restarted);
  expect(await restarted.finish(replica)).toMatchObject({ ok: true });
  const kept = readdirSync(join(folder, 'pi2/state/archive')).filter((name) => /^held-/.test(name));
  expect(kept).toEqual([`held-${next.sha256}.tar.zst`]);
});

test('an archive that is damaged on the disk is not installed, and asked for again', async () => {
  const to = storeOf('pi2');
  const replica = replicaWith(password);
  const info = await carry(master(), to);
  await to.finish(replica);
  put(`pi2/state/archive/held-${info.sha256}.tar.zst`, 'torn');
  expect(await to.install(replica)).toMatchObject({ ok: false });
  expect(existsSync(join(folder, 'pi2/k3s/server/token'))).toBe(false);
  expect(to.heldId()).toBeNull();
});

test('who starts without its archive says with whose files', async () => {
  const from = master();
  const to = storeOf('pi2');
  const replica = replicaWith(password);
  const { sha256: digest } = await carry(from, to);
  await to.finish(replica);
  expect(await to.install(replica)).toMatchObject({ ok: true });
  rmSync(join(folder, `pi2/state/archive/held-${digest}.tar.zst`));
  expect(await to.install(replica)).toMatchObject({ ok: false });
  // Whoever alone holds the newest rows tries again.
  expect(await to.install(replica)).toMatchObject({ ok: true });
  const [finding, ...more] = to.findings();
  expect(finding?.text).toContain('that this node had');
  expect(more).toEqual([]);
});

test('an archive that is gone is asked for again, and taken', async () => {
  const from = master();
  const to = storeOf('pi2');
  const replica = replicaWith(password);
  const { id, sha256: digest } = await carry(from, to);
  await to.finish(replica);
  rmSync(join(folder, `pi2/state/archive/held-${digest}.tar.zst`));
  expect(await to.install(replica)).toMatchObject({
    ok: false,
    detail: expect.stringContaining('is gone'),
  });
  expect(to.findings().map((finding) => finding.code)).toEqual(['archive-refused']);
  expect(to.heldId()).toBeNull();
  await carry(from, to);
  await to.finish(replica);
  expect([to.heldId(), to.findings()]).toEqual([id, []]);
  expect(await to.install(replica)).toMatchObject({ ok: true });
});

test('an archive that the card does not give is asked for again, and tried again', async () => {
  const to = storeOf('pi2');
  const replica = replicaWith(password);
  const { id, sha256: digest } = await carry(master(), to);
  await to.finish(replica);
  const path = join(folder, `pi2/state/archive/held-${digest}.tar.zst`);
  renameSync(path, `${path}-aside`);
  mkdirSync(path);
  expect(await to.install(replica)).toMatchObject({ ok: false });
  expect(to.heldId()).toBeNull();
  rmSync(path, { recursive: true });
  renameSync(`${path}-aside`, path);
  expect(await to.install(replica)).toMatchObject({ ok: true });
  expect(to.heldId()).toBe(id);
});

test('a token that does not open the datastore is refused at once and at a promotion', async () => {
  const to = storeOf('pi2');
  await carry(master(), to);
  const other = replicaWith('another');
  expect(await to.finish(other)).toMatchObject({ ok: false });
  expect(to.findings().map((finding) => finding.code)).toEqual(['token-mismatch']);
  expect(to.heldId()).toBeNull();
  await carry(storeOf('pi1'), to);
  expect(await to.finish(replicaWith(null))).toMatchObject({ ok: true });
  expect(await to.install(other)).toMatchObject({ ok: false });
  expect(existsSync(join(folder, 'pi2/k3s/server/token'))).toBe(false);
  expect(to.heldId(), 'it is whole, only the token is wrong').not.toBeNull();
});

test('without an archive only a node with the right token of its own can be promoted', async () => {
  const store = storeOf('pi2');
  const replica = replicaWith(password);
  expect(await store.install(replica)).toMatchObject({ ok: false });
  put('pi2/etc/token', password);
  expect(await store.install(replica)).toMatchObject({ ok: true });
});

test('archives that lie about their content are refused', async () => {
  const file = { path: 'server/token', mode: 0o600, data: Buffer.from('t') };
  const { info, bytes } = await packFiles([file]);
  const forge = async (entries: Parameters<typeof packTar>[0], manifest = info.manifest) => {
    const forged = zstdCompressSync(await packTar(entries));
    const header = { id: sha256(manifest), bytes: forged.length, sha256: sha256(forged), manifest };
    return unpackFiles(header, forged);
  };
  expect(await unpackFiles(info, bytes)).toMatchObject({ ok: true });
  const token = { header: { name: 'server/token', size: 1 }, body: 't' };
  const extra = { header: { name: 'server/other', size: 1 }, body: 'o' };
  expect(await forge([token])).toMatchObject({ ok: true });
  expect(await forge([token, extra])).toMatchObject({ ok: false });
  expect(await forge([token, token])).toMatchObject({ ok: false });
  expect(await forge([])).toMatchObject({ ok: false });
  const link = {
    header: { name: 'server/token', size: 0, type: 'symlink', linkname: '/etc' },
  } as const;
  expect(await forge([link])).toMatchObject({ ok: false });
  const outside = JSON.stringify({
    version: 1,
    files: [{ path: '../x', size: 1, mode: 420, sha256: 'a'.repeat(64) }],
  });
  expect(await forge([token], outside)).toMatchObject({ ok: false });
});

test('no path leaves its folder, and no bytes unpack to an exception', async () => {
  for (const path of [
    'server/db/state.db',
    'server/../x',
    '/etc/x',
    'config/',
    'agent/x',
    'server/tls/a',
  ]) {
    expect(mayTravel(path), path).toBe(false);
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const segments = `config/${text}`.split('/');
      if (mayTravel(`config/${text}`)) expect(segments).not.toContain('..');
      parseManifest(text);
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (noise) => {
      const bytes = zstdCompressSync(noise);
      const manifest = '{"version":1,"files":[]}';
      const info = { id: sha256(manifest), bytes: bytes.length, sha256: sha256(bytes), manifest };
      expect(typeof (await unpackFiles(info, bytes)).ok).toBe('boolean');
    }),
    { numRuns: 50 },
  );
});
