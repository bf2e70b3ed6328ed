/** A client of the cluster that looks for the new master while its tries at the old one hang. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withMaster } from '../../../agent/actions/hosts-line.ts';
import { API_PORT } from '../../lab/layout.ts';
import type { WatchedNode } from '../../lab/watched.ts';
import { Workload } from '../../lab/workload.ts';

/** Loopback addresses that no layout hands out. */
const GONE = '127.213.0.3';
const NEW = '127.213.0.4';

let folder = '';
const servers: Server[] = [];
const sockets = new Set<Socket>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-workload-'));
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  for (const socket of sockets) socket.destroy();
  rmSync(folder, { recursive: true });
});

/** Takes connections and never says a word, as far as a client is concerned. */
const silentAt = async (address: string, heard: () => void, ended = () => {}): Promise<void> => {
  const server = createServer((socket) => {
    sockets.add(socket);
    heard();
    socket.on('data', () => {}).on('error', () => undefined);
    socket.on('close', () => [sockets.delete(socket), ended()]);
  }).listen(API_PORT, address);
  servers.push(server);
  await once(server, 'listening');
};

const nodeAt = (name: string, address: string): WatchedNode => ({
  name,
  on: true,
  place: { address, hostsFile: join(folder, name), k3sDataDir: folder, controlSocket: '' },
});

/** The newer line is believed first. */
const announce = ({ place }: WatchedNode, address: string, atSeconds: number): void => {
  writeFileSync(place.hostsFile, withMaster('', address));
  utimesSync(place.hostsFile, atSeconds, atSeconds);
};

test('a try at an address that is gone does not hold up the next one', async () => {
  let [goneTries, hanging] = [0, 0];
  let hangingThen: number | null = null;
  await silentAt(
    GONE,
    () => {
      goneTries += 1;
      hanging += 1;
    },
    () => (hanging -= 1),
  );
  await silentAt(NEW, () => (hangingThen ??= hanging));
  const [first, second] = [nodeAt('node1', GONE), nodeAt('node2', NEW)];
  announce(first, GONE, 1000);
  announce(second, GONE, 1000);
  const workload = new Workload([first, second], 20);
  workload.start();
  while (goneTries < 2) await sleep(5);
  announce(second, NEW, 2000);
  while (hangingThen === null) await sleep(5);
  await workload.stop();
  // A try that would have waited for the one before its own.
  expect(hangingThen).toBeGreaterThan(0);
  // Bounded, for a dead server may stay the last one that was announced.
  expect(goneTries).toBeLessThanOrEqual(16);
});
