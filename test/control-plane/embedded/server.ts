/**
 * A server's life: datastore, bootstrap data, API; and back in reverse on SIGTERM, as k3s does,
 * because an API whose datastore goes first would fail requests that it has already taken.
 */
import { mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { createServer as createProbe } from 'node:net';
import { join } from 'node:path';
import { BatonError } from '../../../shared/errors/baton-error.ts';
import { openAccessLog } from './access-log.ts';
import { type Api, makeApi } from './api.ts';
import { loadBootstrap, saveBootstrap } from './bootstrap.ts';
import type { ServerConfiguration } from './configuration.ts';
import { type Datastore, openDatastore } from './datastore.ts';
import { makeMissing, type ServerCredentials, writeDerived } from './keys.ts';
import { info } from './log.ts';
import { keepMasterLease } from './master-lease.ts';
import { notifySystemd } from './notify.ts';
import { EMBEDDED_VERSION } from './version.ts';

/** Requests that are still running when the API stops get this long. */
const API_STOP_LIMIT_MS = 2300;

const listen = (
  server: { listen: Server['listen']; once: Server['once'] },
  { port, bindAddress }: ServerConfiguration,
): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (cause: Error) => {
      const message = `cannot listen on the API port: ${cause.message}`;
      reject(new BatonError('port-in-use', 'operational', message, { cause }));
    });
    server.listen(port, bindAddress || undefined, resolve);
  });

/** A taken port is found out before anything is written. Errors: `port-in-use`. */
const probePort = async (configuration: ServerConfiguration): Promise<void> => {
  const probe = createProbe();
  await listen(probe as unknown as Server, configuration);
  await new Promise((resolve) => probe.close(resolve));
};

const prepare = (
  configuration: ServerConfiguration,
  directory: string,
  store: Datastore,
): ServerCredentials => {
  const { password, unsaved } = loadBootstrap(store, directory, configuration.token);
  makeMissing(directory, password);
  const credentials = writeDerived(configuration, directory, password);
  if (unsaved) saveBootstrap(store, directory, password);
  return credentials;
};

/** No new connections, watches ended, the rest given a moment; then cut. */
const stopApi = async (server: Server, api: Api): Promise<void> => {
  const began = performance.now();
  const closed = new Promise((resolve) => server.close(resolve));
  api.endWatches();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), API_STOP_LIMIT_MS);
  await closed;
  clearTimeout(timer);
  info(`API server stopped in ${Math.round(performance.now() - began)}ms`);
};

const serve = async (
  configuration: ServerConfiguration,
  directory: string,
  store: Datastore,
  stop: AbortSignal,
): Promise<void> => {
  const began = performance.now();
  const credentials = prepare(configuration, directory, store);
  const api = makeApi(store, credentials, openAccessLog(join(directory, 'access.log')));
  const server = createServer(
    { cert: credentials.certificate, key: credentials.key, keepAliveTimeout: 60_000 },
    api.handle,
  );
  const lease = keepMasterLease(store, configuration.advertiseAddress);
  const compactor = setInterval(() => store.compact(), configuration.compactIntervalMs);
  try {
    await listen(server, configuration);
    info(`k3s is up and running (ready ${Math.round(performance.now() - began)}ms after start)`);
    notifySystemd('READY=1');
    await new Promise((resolve) => {
      if (stop.aborted) resolve(undefined);
      else stop.addEventListener('abort', resolve, { once: true });
    });
    notifySystemd('STOPPING=1');
    lease.stop();
    await stopApi(server, api);
  } finally {
    clearInterval(compactor);
    lease.stop();
  }
};

/** Runs until `stop`. Errors: `key-invalid`, `settings-invalid`, `port-in-use` as BatonError. */
export const runServer = async (
  configuration: ServerConfiguration,
  stop: AbortSignal,
): Promise<void> => {
  const { nodeName, dataDir, ignored } = configuration;
  info(`Starting k3s ${EMBEDDED_VERSION} (stand-in, TypeScript) node=${nodeName} data=${dataDir}`);
  if (ignored.length > 0) info(`Accepted without effect in this stand-in: ${ignored.join(', ')}`);
  await probePort(configuration);
  const directory = join(dataDir, 'server');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const store = openDatastore(directory, configuration.compactMinRetain);
  try {
    await serve(configuration, directory, store, stop);
  } finally {
    store.close();
    info('Datastore closed');
  }
  info('Shutdown complete');
};
