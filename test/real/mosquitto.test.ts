/**
 * What people have at hand, mosquitto_sub and mosquitto_pub, against a real coordinator: without
 * a key on this machine, with a key from elsewhere, and by the line that `baton mqtt` prints.
 * Needs the package mosquitto-clients.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Coordinator, startCoordinator } from '../../coordinator/coordinator.ts';
import { systemClock } from '../../shared/adapters/system-clock.ts';
import { generateClusterKey } from '../../shared/crypto/key-file.ts';
import { clusterKeyring, nodeBundle, transportKeyring } from '../../shared/crypto/keyring.ts';
import { openReaderRelay } from '../../shared/net/reader-relay.ts';
import { encodeReport } from '../../shared/protocol/report-codec.ts';
import { eventually, PACKET_LIMIT } from '../unit/coordinator/broker-rig.ts';
import { reportOf } from '../unit/coordinator/report-sample.ts';

const root = join(import.meta.dirname, '../..');
const clusterKey = generateClusterKey(new Uint8Array(32).fill(5));
const keys = transportKeyring(clusterKey);
const hexKey = (identity: string): string => Buffer.from(keys.pskFor(identity)).toString('hex');

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output(): string;
}

const children: ChildProcess[] = [];
let folder = '';
let coordinator: Coordinator;
let port = 0;
let lines: string[] = [];

/** The exit status is null when the program is not there. */
const run = (command: string, args: readonly string[], input?: Buffer): Run => {
  const child = spawn(command, args, { stdio: 'pipe' });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  // A peer that refuses a large message closes before it has taken all of it.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  return { child, ended, output: () => output };
};

const here = (readerPort: number | null): string[] => ['-h', '127.0.0.1', '-p', `${readerPort}`];
const withKey = (identity: string, key = hexKey(identity.replace('reader@', ''))): string[] => [
  ...here(port),
  ...['--psk-identity', identity, '--psk', key],
];

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : 0));
    });
  });

const node = (name: string, eligible: boolean) => ({
  name,
  address: '127.0.0.1',
  link_port: 7947,
  eligible,
  voter: true,
  mqtt_port: port,
  coordinator: name === 'pi1',
  api_port: 6443,
  weight: 0,
});
const nodes = () => [node('pi1', true), node('pi2', true), node('pi3', false)];

beforeAll(async () => {
  const version = await run('mosquitto_sub', ['--version']).ended;
  if (version === null) {
    throw new TypeError('mosquitto_sub is not there: apt-get install mosquitto-clients');
  }
  folder = mkdtempSync(join(tmpdir(), 'baton-mosquitto-'));
  port = await freePort();
  const say = (_context: object, text: string): void => void lines.push(text);
  coordinator = await startCoordinator({
    settings: {
      node: { name: 'pi1' },
      cluster: { key_file: '/nowhere', nodes: nodes() },
      listen: { address: '127.0.0.1', mqtt_port: port, packet_limit_bytes: PACKET_LIMIT },
      reader: { enabled: true, address: '127.0.0.1', port: 0 },
      log: { level: 'info' },
    },
    keys,
    clock: systemClock(),
    log: { info: say, warn: say },
    memory: () => null,
  });
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  lines = [];
});
afterAll(async () => {
  await coordinator?.close();
  if (folder !== '') rmSync(folder, { recursive: true });
});

const publish = (identity: string, topic: string, ...more: readonly string[]): Run =>
  run('mosquitto_pub', [...withKey(identity), '-t', topic, ...more]);

describe('people on this machine, without a key', () => {
  const reader = () => here(coordinator.readerPort);

  it('read the cluster and every node, as it is and as it changes', async () => {
    const report = encodeReport(reportOf('pi1', { role: 'master', epoch: 7 }));
    expect(await publish('pi1', 'baton-wire/pi1/report', '-r', '-m', report).ended).toBe(0);
    expect(await publish('pi3', 'baton/pi3/cpu/temperature_c', '-r', '-m', '51.2').ended).toBe(0);
    const reading = run('mosquitto_sub', [...reader(), '-v', '-t', 'baton/#']);
    const lineThere = (line: string) =>
      eventually(line, () => reading.output().split('\n').includes(line));
    await lineThere('baton/pi3/cpu/temperature_c 51.2');
    await lineThere('baton/cluster/master pi1');
    await lineThere('baton/cluster/epoch 7');
    await publish('pi3', 'baton/pi3/cpu/temperature_c', '-m', '60.1').ended;
    await lineThere('baton/pi3/cpu/temperature_c 60.1');
    expect(reading.output()).not.toContain('baton-wire');
  });

  it('see nothing of the machines’ own talk and cannot publish', async () => {
    const curious = run('mosquitto_sub', [...reader(), '-t', 'baton-wire/#', '-W', '5']);
    await curious.ended;
    expect(curious.output()).toMatch(/subscription requests were denied/);
    const witness = run('mosquitto_sub', [...reader(), '-v', '-t', 'baton/pi2/#']);
    const forging = ['-t', 'baton/pi2/status', '-r', '-m', 'online forged'];
    await run('mosquitto_pub', [...reader(), ...forging]).ended;
    await eventually('the line', () => lines.some((line) => line.includes('only reads')));
    await publish('pi2', 'baton/pi2/agent/findings', '-r', '-m', '0').ended;
    await eventually('an honest value', () => witness.output().includes('findings 0'));
    expect(witness.output()).not.toContain('forged');
  });

  it('read on a node without a coordinator through its agent', async () => {
    const relay = await openReaderRelay({
      at: { host: '127.0.0.1', port: 0 },
      node: 'pi3',
      key: clusterKeyring(nodeBundle(clusterKey, 'pi3'), 'pi3', nodes()).brokerPsk().key,
      brokers: [{ name: 'pi1', host: '127.0.0.1', port }],
      clock: systemClock(),
    });
    const reading = run('mosquitto_sub', [...here(relay.port), '-v', '-t', 'baton/#']);
    await eventually('a line', () => reading.output().includes('baton/cluster/coordinator pi1'));
    await relay.close();
  });
});

describe('people elsewhere, with a key', () => {
  it('read by the line that `baton mqtt --remote` prints', async () => {
    const [settings, key] = [join(folder, 'agent.yaml'), join(folder, 'key')];
    writeFileSync(key, nodeBundle(clusterKey, 'pi3'));
    const text = { node: { name: 'pi3' }, cluster: { key_file: key, nodes: fewSettings() } };
    writeFileSync(settings, JSON.stringify(text));
    const main = join(root, 'agent/cli/main.ts');
    const asked = run(process.execPath, [main, 'mqtt', '--remote', '--settings', settings]);
    await asked.ended;
    const line = asked.output().split('\n')[0] ?? '';
    expect(line).toMatch(/^mosquitto_sub .*--psk-identity reader@pi3 -v -t 'baton\/#'$/);
    const reading = run('sh', ['-c', `exec ${line}`]);
    await eventually('a line', () => reading.output().includes('baton/cluster/coordinator pi1'));
  });

  const fewSettings = () => [
    { name: 'pi1', address: '127.0.0.1', mqtt_port: port, coordinator: true },
    { name: 'pi2', address: '127.0.0.2' },
    { name: 'pi3', address: '127.0.0.3', eligible: false },
  ];

  it.each([
    ['a wrong key', 'reader@pi3', 'ab'.repeat(32)],
    ['an unknown name', 'reader@pi9', undefined],
  ])('are refused with %s, and that is said once', async (_name, identity, key) => {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const reading = run('mosquitto_sub', [...withKey(identity, key), '-t', 'baton/#', '-W', '5']);
      expect(await reading.ended).not.toBe(0);
    }
    expect(lines.filter((line) => line.startsWith(`refused "${identity}"`))).toHaveLength(1);
  });

  it('publish as a node only under its own name', async () => {
    const reading = run('mosquitto_sub', [...withKey('cli'), '-v', '-t', 'baton/#']);
    await eventually('a line', () => reading.output().includes('baton/cluster/coordinator pi1'));
    await publish('pi3', 'baton/pi1/agent/findings', '-m', '666').ended;
    await publish('pi3', 'baton-wire/pi1/command/move', '-m', '{}').ended;
    await publish('pi3', 'baton/pi3/agent/findings', '-m', '1').ended;
    await eventually('its own', () => reading.output().includes('baton/pi3/agent/findings 1'));
    expect(reading.output()).not.toContain('666');
    expect(lines.some((line) => line.includes('pi3 publishes only under its own name'))).toBe(true);
  });

  it('cannot send 20 MiB; the coordinator goes on', async () => {
    const large = Buffer.alloc(20 * 1024 * 1024, 120);
    const before = process.memoryUsage().arrayBuffers;
    const sending = [...withKey('pi2'), '-t', 'baton/pi2/large/value', '-r', '-s'];
    await run('mosquitto_pub', sending, large).ended;
    await eventually('the line', () => lines.some((line) => line.includes('at most 131072')));
    // Never buffered: what is held beside the test's own copy is far below the packet.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 * 1024 * 1024);
    const again = run('mosquitto_sub', [...withKey('pi2'), '-v', '-t', 'baton/#', '-C', '1']);
    expect(await again.ended).toBe(0);
  });

  it('are told that MQTT 5 is not spoken here', async () => {
    const five = [...withKey('pi2'), '-V', '5', '-t', 'baton/#', '-W', '5'];
    const reading = run('mosquitto_sub', five);
    expect(await reading.ended).not.toBe(0);
    expect(reading.output()).toMatch(/protocol version/i);
  });
});
