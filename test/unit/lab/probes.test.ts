/** The observer must look at a node that hangs as often as at one that answers. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { API_PORT } from '../../lab/layout.ts';
import { type Probes, startProbes } from '../../lab/probes.ts';
import type { WatchedNode } from '../../lab/watched.ts';

/** Loopback addresses that no layout hands out. */
const HANGS = '127.213.0.1';
const REFUSES = '127.213.0.2';
const WATCHED_MS = 1600;

const nodeAt = (name: string, address: string): WatchedNode =>
  ({ name, on: true, place: { address } }) as WatchedNode;

const sockets = new Set<Socket>();
let server: Server | null = null;
let probes: Probes | null = null;
afterEach(() => {
  probes?.stop();
  server?.close();
  for (const socket of sockets) socket.destroy();
});

test('a node that takes connections and says nothing is asked on, within bounds', async () => {
  let [knocks, questions, most] = [0, 0, 0];
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    knocks += 1;
    // A knock sends nothing; a question does.
    socket.once('data', () => {
      questions += 1;
    });
    most = Math.max(most, sockets.size);
  }).listen(API_PORT, HANGS);
  await once(server, 'listening');
  probes = startProbes([nodeAt('node1', HANGS), nodeAt('node2', REFUSES)]);
  await sleep(WATCHED_MS);
  // One at a time would be two, and a question for each knock would drown who goes on later.
  expect(knocks).toBeGreaterThan(WATCHED_MS / 100);
  expect(questions).toBeGreaterThanOrEqual(2);
  expect(questions).toBeLessThanOrEqual(4);
  expect(most).toBeLessThanOrEqual(10);
  const [hanging, refusing, ...others] = probes.observations();
  expect(others).toEqual([]);
  expect([hanging, refusing].map((one) => [one?.node, one?.answer]).toSorted()).toEqual([
    ['node1', 'open, no answer'],
    ['node2', 'ECONNREFUSED'],
  ]);
});
