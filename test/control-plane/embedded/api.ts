/**
 * A small Kubernetes API over the datastore: health, ConfigMaps (get, list, create, replace,
 * delete, watch) and the `kubernetes` Endpoints, with Kubernetes' own status objects.
 *
 * Objects are stored as JSON where the real API server stores protobuf. No patch, no paging, no
 * selectors, no admission: whoever needs those uses the real stand-in.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AccessLog } from './access-log.ts';
import type { Datastore, Row } from './datastore.ts';
import type { ServerCredentials } from './keys.ts';
import { MASTER_LEASES } from './master-lease.ts';
import { type Json, type KubernetesObject, toObject, watch } from './watch.ts';

const BODY_LIMIT = 3 * 1024 * 1024;
const plural = 'configmaps';
const objectName = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** A Kubernetes Status object for a refusal. */
const failure = (code: number, reason: string, message: string, name?: string): Answer => ({
  code,
  body: {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(name === undefined ? {} : { details: { name, kind: plural } }),
    code,
  },
});

const notFound = (name: string): Answer =>
  failure(404, 'NotFound', `${plural} "${name}" not found`, name);

interface Answer {
  readonly code: number;
  /** A string is sent as plain text, everything else as JSON. */
  readonly body: string | Json;
}

export interface Api {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  /** Ends every open watch, so that the server can close. */
  endWatches(): void;
}

/** The object as stored: everything but its revision, with who wrote it and when. */
const stored = (wish: Json, former: Json | null, namespace: string, manager: string): Buffer => {
  const given = (wish.metadata ?? {}) as Json;
  const known = (former?.metadata ?? {}) as Json;
  const { resourceVersion: _, ...rest } = given;
  const time = `${new Date().toISOString().slice(0, 19)}Z`;
  const entry = { manager, operation: 'Update', apiVersion: 'v1', time, fieldsType: 'FieldsV1' };
  const metadata = {
    ...rest,
    namespace,
    uid: known.uid ?? randomUUID(),
    creationTimestamp: known.creationTimestamp ?? time,
    managedFields: [entry],
  };
  return Buffer.from(JSON.stringify({ ...wish, kind: 'ConfigMap', apiVersion: 'v1', metadata }));
};

const readBody = async (request: IncomingMessage): Promise<Json | string> => {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > BODY_LIMIT) return 'the request body is larger than 3 MiB';
    parts.push(part);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Json) : 'the request body is no JSON object';
  } catch {
    return 'the request body is no JSON';
  }
};

const listAnswer = (store: Datastore, prefix: string): Answer => {
  const { rows, head } = store.list(prefix);
  const items = rows.map((row) => toObject(row.value, row.revision));
  const metadata = { resourceVersion: String(head) };
  return { code: 200, body: { kind: 'ConfigMapList', apiVersion: 'v1', metadata, items } };
};

/** The `kubernetes` Endpoints: one address per live master lease. */
const endpointsAnswer = (store: Datastore): Answer => {
  const { rows, head } = store.list(MASTER_LEASES);
  const addresses = rows.map((row) => ({ ip: row.key.slice(MASTER_LEASES.length + 1) }));
  const metadata = { name: 'kubernetes', namespace: 'default', resourceVersion: String(head) };
  const subsets = [{ addresses, ports: [{ name: 'https', port: 6443, protocol: 'TCP' }] }];
  return { code: 200, body: { kind: 'Endpoints', apiVersion: 'v1', metadata, subsets } };
};

/** POST on the collection, PUT on an object. Returns the object with its new revision. */
const write = async (
  store: Datastore,
  request: IncomingMessage,
  prefix: string,
  name: string | null,
): Promise<Answer> => {
  const wish = await readBody(request);
  if (typeof wish === 'string') return failure(400, 'BadRequest', wish);
  const metadata = (wish.metadata ?? {}) as Json;
  const own = String(metadata.name ?? name ?? '');
  if (!objectName.test(own) || (name !== null && own !== name)) {
    return failure(422, 'Invalid', `ConfigMap "${own}" is invalid: metadata.name`, own);
  }
  const key = `${prefix}/${own}`;
  const row = store.latest(key);
  const former = row === null || row.deleted ? null : row;
  const manager = request.headers['user-agent']?.split('/')[0] ?? 'unknown';
  const known = former === null ? null : toObject(former.value, former.revision);
  const value = stored(wish, known, prefix.split('/').at(-1) ?? '', manager);
  if (name === null) {
    const revision = store.create(key, value);
    if (revision === null) {
      return failure(409, 'AlreadyExists', `${plural} "${own}" already exists`, own);
    }
    return { code: 201, body: toObject(value, revision) };
  }
  if (former === null) return notFound(own);
  const expected = metadata.resourceVersion;
  if (expected !== undefined && expected !== '' && expected !== String(former.revision)) {
    return failure(409, 'Conflict', `${plural} "${own}": the object has been modified`, own);
  }
  const revision = store.update(key, value, former.revision);
  return revision === null ? notFound(own) : { code: 200, body: toObject(value, revision) };
};

const remove = (store: Datastore, row: Row, name: string): Answer => {
  store.remove(row.key, row.revision);
  const { metadata } = toObject(row.value, row.revision) as KubernetesObject;
  const details = { name, kind: plural, uid: metadata.uid };
  return {
    code: 200,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details },
  };
};

const open: Readonly<Record<string, Answer>> = {
  '/readyz': { code: 200, body: 'ok' },
  '/healthz': { code: 200, body: 'ok' },
  '/livez': { code: 200, body: 'ok' },
  '/ping': { code: 200, body: 'pong' },
};

const send = (response: ServerResponse, { code, body }: Answer): void => {
  const isText = typeof body === 'string';
  const text = isText ? body : JSON.stringify(body);
  const type = isText ? 'text/plain; charset=utf-8' : 'application/json';
  const length = Buffer.byteLength(text);
  response.writeHead(code, { 'content-type': type, 'content-length': length }).end(text);
};

/** Null when the request may go on. */
const refusal = (request: IncomingMessage, { adminToken }: ServerCredentials): Answer | null => {
  const given = request.headers.authorization ?? '';
  if (given === `Bearer ${adminToken}`) return null;
  if (given !== '') return failure(401, 'Unauthorized', 'Unauthorized');
  return failure(403, 'Forbidden', `${plural} is forbidden: User "system:anonymous"`);
};

const answer = async (
  store: Datastore,
  credentials: ServerCredentials,
  request: IncomingMessage,
  url: URL,
): Promise<Answer> => {
  const health = open[url.pathname];
  if (health !== undefined) return health;
  if (url.pathname === '/cacerts') return { code: 200, body: credentials.caFile };
  const refused = refusal(request, credentials);
  if (refused !== null) return refused;
  if (url.pathname === '/api/v1/namespaces/default/endpoints/kubernetes') {
    return endpointsAnswer(store);
  }
  const parts = /^\/api\/v1\/namespaces\/([^/]+)\/configmaps(?:\/([^/]+))?$/.exec(url.pathname);
  if (parts === null) return failure(404, 'NotFound', 'the server could not find it');
  const prefix = `/registry/configmaps/${parts[1]}`;
  const name = parts[2] ?? null;
  const verb = request.method;
  if (name === null && verb === 'GET') return listAnswer(store, prefix);
  if (verb === (name === null ? 'POST' : 'PUT')) return write(store, request, prefix, name);
  if (name === null || (verb !== 'GET' && verb !== 'DELETE')) {
    return failure(405, 'MethodNotAllowed', 'this stand-in does not support that');
  }
  const row = store.latest(`${prefix}/${name}`);
  if (row === null || row.deleted) return notFound(name);
  if (verb === 'DELETE') return remove(store, row, name);
  return { code: 200, body: toObject(row.value, row.revision) };
};

export const makeApi = (
  store: Datastore,
  credentials: ServerCredentials,
  access: AccessLog,
): Api => {
  const watches = new Set<() => void>();

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const record = access(request);
    const url = new URL(request.url ?? '/', 'https://server');
    const isWatch = ['1', 'true'].includes(url.searchParams.get('watch') ?? '');
    const collection = /^\/api\/v1\/namespaces\/([^/]+)\/configmaps$/.exec(url.pathname);
    if (isWatch && collection !== null && refusal(request, credentials) === null) {
      const prefix = `/registry/configmaps/${collection[1]}`;
      const end = watch(store, prefix, url.searchParams, response, record);
      watches.add(end);
      response.once('close', () => watches.delete(end));
      return;
    }
    answer(store, credentials, request, url)
      .catch((error: unknown) => failure(500, 'InternalError', String(error)))
      .then((made) => {
        record.answered(made.code);
        send(response, made);
      })
      .catch(() => response.destroy()); // The access log could not be written: no answer either.
  };

  return {
    handle,
    endWatches: () => {
      for (const end of watches) end();
    },
  };
};
