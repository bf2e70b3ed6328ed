/** The observer must look at a node that hangs as often as at one that answers. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { API_PORT } from '../../lab/layout.ts';
import { PROBE_PERIOD_MS, type Probes, startProbes } from '../../lab/probes.ts';
import type { WatchedNode } from '../../lab/watched.ts';

/** Loopback addresses that no layout hands out. */
const HANGS = '127.213.0.1';
const REFUSES = '127.213.0.2';
/** A second and a half of a machine that has a processor to spare. */
const WATCHED_KNOCKS = 40;

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
  const watching = startProbes([nodeAt('node1', HANGS), nodeAt('node2', REFUSES)]);
  probes = watching;
  const answersOf = (node: string): string[] =>
    watching.observations().flatMap((one) => (one.node === node ? [one.answer] : []));
  const isSeen = () => answersOf('node1').includes('open, no answer');
  while (knocks < WATCHED_KNOCKS || questions < 2 || !isSeen()) await sleep(PROBE_PERIOD_MS);
  // One at a time would ask at each knock, which would drown who goes on later.
  expect(questions).toBeLessThanOrEqual(knocks / 2);
  expect(most).toBeLessThanOrEqual(10);
  // A knock that this process itself was held up with for a second has no connection to tell of.
  const hanging = answersOf('node1').filter((answer) => answer !== 'no connection');
  expect([...new Set(hanging)]).toEqual(['open, no answer']);
  expect(answersOf('node2')).toEqual(['ECONNREFUSED']);
});
