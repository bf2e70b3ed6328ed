/**
 * The bundled coordinator, started as its unit starts it, stays within its memory with 20 nodes.
 * The bar is of what only this process uses (RssAnon, proc_pid_status(5)); it is a coarse net for
 * leaks and for heavy new packages, both of which cost more than the room that is left.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { memoryFigures } from '../../coordinator/memory-figures.ts';
import { systemClock } from '../../shared/adapters/system-clock.ts';
import { generateClusterKey } from '../../shared/crypto/key-file.ts';
import { clusterKeyring } from '../../shared/crypto/keyring.ts';
import { type MqttBus, mqttBus } from '../../shared/net/mqtt-bus.ts';
import { seededRandom } from '../../shared/ports/fakes/seeded-random.ts';
import { encodeReport } from '../../shared/protocol/report-codec.ts';
import { eventually } from '../unit/coordinator/broker-rig.ts';
import { reportOf } from '../unit/coordinator/report-sample.ts';

const ANON_BAR_MB = 48;
const NODES = 20;
/** Reports of every node, and the pause between them: twice as fast as agents report. */
const ROUNDS = 20;
const PAUSE_MS = 1000;
const flags = ['--max-semi-space-size=1', '--optimize-for-size', '--v8-pool-size=1'];

const root = join(import.meta.dirname, '../..');
const clusterKey = generateClusterKey(new Uint8Array(32).fill(3));
const names = Array.from({ length: NODES }, (_, index) => `pi${index + 1}`);
let folder = '';
let coordinator: ChildProcess | null = null;
let buses: MqttBus[] = [];

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : 0));
    });
  });

const settings = (port: number) => ({
  node: { name: 'pi1' },
  cluster: {
    key_file: join(folder, 'key'),
    nodes: names.map((name, index) => ({
      name,
      address: `127.0.0.${index + 1}`,
      voter: index < 5,
      ...(index === 0 ? { mqtt_port: port, coordinator: true } : {}),
    })),
  },
  listen: { address: '127.0.0.1', mqtt_port: port },
  reader: { enabled: false },
});

const openBus = (name: string, port: number): MqttBus =>
  mqttBus({
    node: name,
    bootId: `boot-of-${name}`,
    brokers: [{ name: 'pi1', host: '127.0.0.1', port }],
    credentials: clusterKeyring(
      clusterKey,
      name,
      names.map((one) => ({ name: one, eligible: true })),
    ).brokerPsk(),
    clock: systemClock(),
    random: seededRandom(1),
    notice: () => {},
  });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-memory-'));
  execFileSync(process.execPath, [
    join(root, 'test/build.mjs'),
    ...['--out', folder, 'baton-coordinator'],
  ]);
  writeFileSync(join(folder, 'key'), clusterKey);
});
afterAll(async () => {
  await Promise.all(buses.map((bus) => bus.close()));
  coordinator?.kill('SIGKILL');
  if (folder !== '') rmSync(folder, { recursive: true });
});

/** Long texts, as on the day when there is much to say. */
const reasons = Array.from({ length: 30 }, (_, index) => ({
  ago_ms: index * 1000,
  epoch: 3,
  reason: `a majority granted the lease for the next 8000 ms (ballot ${index})`,
}));

it(`stays within ${ANON_BAR_MB} MB with ${NODES} nodes`, async () => {
  const port = await freePort();
  const file = join(folder, 'coordinator.yaml');
  writeFileSync(file, JSON.stringify(settings(port)));
  const program = join(folder, 'baton-coordinator.mjs');
  const child = spawn(process.execPath, [...flags, program, '--settings', file], {
    env: { ...process.env, MALLOC_ARENA_MAX: '1' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  coordinator = child;
  buses = names.map((name) => openBus(name, port));
  /** Reports that each bus has received. */
  const heard = buses.map(() => 0);
  for (const [index, bus] of buses.entries()) {
    bus.onReport(() => {
      heard[index] = (heard[index] ?? 0) + 1;
    });
  }
  await eventually('every node', () => buses.every((bus) => bus.connected().length === 1));
  // Nobody is told when a subscription stands: a first word is repeated until everybody heard it.
  await eventually('every subscription', () => {
    buses[0]?.publishReport('{}');
    return heard.every((count) => count > 0);
  });
  heard.fill(0);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, bus] of buses.entries()) {
      const name = names[index] ?? '';
      bus.publishReport(encodeReport(reportOf(name, { sequence: round, reasons })));
      bus.publish(`baton/${name}/cpu/temperature_c`, String(round), { retain: true });
      bus.publishLease('pi1', new Uint8Array(400));
    }
    // Nothing may wait anywhere, or the figure would be that of an overload.
    await eventually(`round ${round}`, () => heard.every((count) => count >= NODES * (round + 1)));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  const memory = memoryFigures(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
  console.log(`coordinator with ${NODES} nodes: ${JSON.stringify(memory)}`);
  expect(memory?.anon_mb).toBeLessThanOrEqual(ANON_BAR_MB);
}, 120_000);
