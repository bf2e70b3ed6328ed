/**
 * The bootstrap data: what makes two servers the same cluster (CAs, service-account key,
 * passwords), kept in the datastore under the token and copied to disk where missing.
 *
 * Sources: k3s pkg/cluster/storage.go, bootstrap.go; the same in Go: ../real/bootstrap.go.
 */
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { BatonError } from '../../../shared/errors/baton-error.ts';
import type { Datastore } from './datastore.ts';
import { normalizeToken, open, seal, storageKey } from './token.ts';

/** k3s's names (ControlRuntimeBootstrap) and places, relative to <data-dir>/server. */
export const bootstrapPaths = {
  ServerCA: 'tls/server-ca.crt',
  ServerCAKey: 'tls/server-ca.key',
  ClientCA: 'tls/client-ca.crt',
  ClientCAKey: 'tls/client-ca.key',
  RequestHeaderCA: 'tls/request-header-ca.crt',
  RequestHeaderCAKey: 'tls/request-header-ca.key',
  ETCDServerCA: 'tls/etcd/server-ca.crt',
  ETCDServerCAKey: 'tls/etcd/server-ca.key',
  ETCDPeerCA: 'tls/etcd/peer-ca.crt',
  ETCDPeerCAKey: 'tls/etcd/peer-ca.key',
  ServiceKey: 'tls/service.key',
  PasswdFile: 'cred/passwd',
  IPSECKey: 'cred/ipsec.psk',
} as const;

/** How much newer than the datastore's copy a differing file may be, in seconds. */
const SYSTEM_TIME_SKEW_S = 3;

interface BootstrapFile {
  readonly Timestamp: string;
  /** Base64. */
  readonly Content: string;
}
type BootstrapData = Readonly<Record<string, BootstrapFile>>;

const refuse = (code: 'key-invalid' | 'settings-invalid', message: string): BatonError =>
  new BatonError(code, 'operational', `starting kubernetes: preparing server: ${message}`);

const differentToken = 'bootstrap data already found and encrypted with different token';

export const writePrivate = (path: string, content: string | Uint8Array): void => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, content, { mode: 0o600 });
};

const readOrNull = (path: string): Buffer | null => (existsSync(path) ? readFileSync(path) : null);

/** Keeps the password of a first start that ended before it was saved. */
const passwordOfFirstStart = (directory: string): string => {
  const lines =
    readOrNull(join(directory, bootstrapPaths.PasswdFile))?.toString().split('\n') ?? [];
  const own = lines.map((line) => line.split(',')).find((fields) => fields[1] === 'server');
  return own?.[0] ?? randomBytes(16).toString('hex');
};

/**
 * Brings the datastore's bootstrap data to disk.
 * `directory` is <data-dir>/server; `unsaved` says that the data still has to be saved.
 * Errors: `key-invalid` for another or a missing token, `settings-invalid` for newer files.
 */
export const loadBootstrap = (
  store: Datastore,
  directory: string,
  given: string,
): { password: string; unsaved: boolean } => {
  const rows = store.list('/bootstrap').rows;
  const token = given || (readOrNull(join(directory, 'token'))?.toString().trimEnd() ?? '');
  if (token === '') {
    if (rows.length === 0) return { password: passwordOfFirstStart(directory), unsaved: true };
    const missing = 'no token was given and server/token is missing';
    throw refuse(
      'key-invalid',
      `${missing}, but the datastore has bootstrap data: ${differentToken}`,
    );
  }
  const password = normalizeToken(token);
  if (rows.length === 0) return { password, unsaved: true };
  const key = storageKey(password);
  const row = rows.find((one) => one.key === key);
  if (row === undefined) throw refuse('key-invalid', differentToken);
  let plain: string;
  try {
    plain = open(password, row.value);
  } catch (cause) {
    throw refuse('key-invalid', `cannot decrypt bootstrap data at ${key}: ${String(cause)}`);
  }
  reconcile(directory, JSON.parse(plain) as BootstrapData);
  return { password, unsaved: false };
};

/** True when a folder that always has files is missing or empty: everything is written then. */
const incomplete = (directory: string): boolean =>
  ['cred', 'tls', 'tls/etcd'].some((part) => {
    const folder = join(directory, part);
    return !existsSync(folder) || readdirSync(folder).length === 0;
  });

/**
 * Writes what is missing on disk, replaces what is older than the datastore's copy, and refuses to
 * start over files that differ and are newer: they would be another cluster's keys.
 */
const reconcile = (directory: string, data: BootstrapData): void => {
  const missing = incomplete(directory);
  const newer: string[] = [];
  let update = missing;
  for (const [name, file] of Object.entries(data)) {
    const relative = bootstrapPaths[name as keyof typeof bootstrapPaths];
    if (relative === undefined) continue;
    const path = join(directory, relative);
    const onDisk = missing ? null : readOrNull(path);
    if (onDisk?.equals(Buffer.from(file.Content, 'base64'))) continue;
    const written = onDisk === null ? 0 : Math.floor(statSync(path).mtimeMs / 1000);
    const kept = Math.floor(Date.parse(file.Timestamp) / 1000);
    if (onDisk !== null && written - kept >= SYSTEM_TIME_SKEW_S) newer.push(path);
    else update = true;
  }
  if (newer.length > 0) {
    throw refuse(
      'settings-invalid',
      `${newer.sort().join(', ')} newer than datastore and could cause a cluster outage. ` +
        'Remove the file(s) from disk and restart to be recreated from datastore.',
    );
  }
  if (update) writeBootstrap(directory, data);
};

const writeBootstrap = (directory: string, data: BootstrapData): void => {
  for (const [name, file] of Object.entries(data)) {
    const relative = bootstrapPaths[name as keyof typeof bootstrapPaths];
    if (relative === undefined) continue;
    const path = join(directory, relative);
    writePrivate(path, Buffer.from(file.Content, 'base64'));
    const kept = new Date(file.Timestamp);
    utimesSync(path, kept, kept);
  }
};

/** Stores the files' content and times, encrypted with the password. */
export const saveBootstrap = (store: Datastore, directory: string, password: string): void => {
  const data: Record<string, BootstrapFile> = {};
  for (const [name, relative] of Object.entries(bootstrapPaths)) {
    const path = join(directory, relative);
    data[name] = {
      Timestamp: statSync(path).mtime.toISOString(),
      Content: readFileSync(path).toString('base64'),
    };
  }
  store.create(storageKey(password), seal(password, `${JSON.stringify(data)}\n`));
};
