/**
 * Requests that wait inside a server while its machine hangs: connections from before the hang,
 * asked during it. What comes back after the thaw is an answer that the old server should never
 * have given.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ApiClient, apiClient } from '../api-client.ts';
import { CONFIG_MAPS } from '../workload.ts';
import type { Machine } from './machine.ts';
import type { Stage } from './stage.ts';

const CONNECTIONS = 8;
/** Far longer than any hang of the lab. */
const PATIENCE_MS = 300_000;

export interface QueuedRequests {
  /** Sends one request over each connection: reads, and every second one a write. */
  ask(): void;
  answersSince(ms: number): number;
  close(): void;
}

/** Opens the connections; resolves when the server has answered over each. */
export const queuedRequests = async (stage: Stage, server: Machine): Promise<QueuedRequests> => {
  const clients: ApiClient[] = [];
  const answered: number[] = [];
  const tokenFile = join(server.place.k3sDataDir, 'server/cred/admin.token');
  const token = readFileSync(tokenFile, 'utf8').trim();
  for (let index = 0; index < CONNECTIONS; index++) {
    const client = apiClient(server.address, 'baton-queue/1');
    clients.push(client);
    await client.call({ method: 'GET', path: '/readyz', timeoutMs: 5000 });
  }
  const body = (index: number) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `queued-${stage.observer.epoch}-${index}` },
  });
  const ask = (client: ApiClient, index: number): void => {
    const call =
      index % 2 === 0
        ? { method: 'GET', path: '/readyz', timeoutMs: PATIENCE_MS }
        : { method: 'POST', path: CONFIG_MAPS, body: body(index), token, timeoutMs: PATIENCE_MS };
    void client.call(call).then(({ status, atMs }) => {
      if (status === 0) return;
      answered.push(atMs);
      stage.heard(server.name, atMs);
    });
  };
  return {
    ask: () => clients.forEach(ask),
    answersSince: (ms) => answered.filter((atMs) => atMs >= ms).length,
    close: () => {
      for (const client of clients) client.close();
    },
  };
};
