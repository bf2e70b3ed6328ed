/** baton-coordinator as a process: exit status, clear lines, clean end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { generateClusterKey } from '../../../shared/crypto/key-file.ts';
import { ownNet } from '../net/own-net.ts';
import { endBeforeListening, preload } from '../shell/agent-rig.ts';
import { eventually } from './broker-rig.ts';

const main = join(import.meta.dirname, '../../../coordinator/main.ts');
const host = `${ownNet()}.1`;
let folder = '';
const children: ChildProcess[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-coordinator-'));
  writeFileSync(join(folder, 'key'), generateClusterKey(new Uint8Array(32).fill(9)));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A port that was free a moment ago, and the server that still holds it. */
const heldPort = (): Promise<{ port: number; server: Server }> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, host, () => {
      const bound = server.address();
      resolve({ port: typeof bound === 'object' && bound !== null ? bound.port : 0, server });
    });
  });

const freePort = async (): Promise<number> => {
  const { port, server } = await heldPort();
  await new Promise((resolve) => server.close(resolve));
  return port;
};

const settingsFile = (port: number, readerPort: number): string => {
  const file = join(folder, `coordinator-${port}.yaml`);
  const settings = {
    node: { name: 'pi1' },
    cluster: {
      key_file: join(folder, 'key'),
      nodes: [{ name: 'pi1', address: host, mqtt_port: port, coordinator: true }],
    },
    listen: { address: host, mqtt_port: port },
    reader: { address: host, port: readerPort },
  };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(settings));
  return file;
};

interface Daemon {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout(): string;
  stderr(): string;
}

const start = (...args: readonly string[]): Daemon => startWith([process.execPath], ...args);

const startWith = ([program = '', ...words]: string[], ...args: readonly string[]): Daemon => {
  const environment = { ...process.env };
  delete environment.NOTIFY_SOCKET;
  const child = spawn(program, [...words, main, ...args], { env: environment });
  children.push(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, ended, stdout: () => stdout, stderr: () => stderr };
};

describe('baton-coordinator', () => {
  it('ends with status 2 and the call for an unknown option', async () => {
    const daemon = start('--colour', 'red');
    expect(await daemon.ended).toBe(2);
    expect(daemon.stderr()).toMatch(/--colour.*\n.*usage: baton-coordinator/);
  });

  it('ends with status 2 and no stack without a settings file', async () => {
    const daemon = start('--settings', join(folder, 'nothing.yaml'));
    expect(await daemon.ended).toBe(2);
    expect(daemon.stderr().trim().split('\n')).toEqual([
      'baton-coordinator: the settings are refused, nothing was started',
      expect.stringContaining('nothing.yaml:1: there is no such file'),
    ]);
  });

  it('ends with status 1 and the port when that is taken', async () => {
    const { port, server } = await heldPort();
    const daemon = start('--settings', settingsFile(port, await freePort()));
    expect(await daemon.ended).toBe(1);
    server.close();
    expect(daemon.stderr()).toMatch(new RegExp(`${host}:${port}: another program has that port`));
    expect(daemon.stderr()).not.toContain('    at ');
  });

  it('goes on without readers when only their port is taken, and says so', async () => {
    const { port: readerPort, server } = await heldPort();
    const daemon = start('--settings', settingsFile(await freePort(), readerPort));
    await eventually('the start', () => daemon.stdout().includes('listens on port'));
    expect(daemon.stdout()).toMatch(new RegExp(`read-only listener.*${host}:${readerPort}`));
    server.close();
  });

  it('ends with status 0 on SIGTERM, also in the middle of a handshake', async () => {
    const port = await freePort();
    const daemon = start('--settings', settingsFile(port, await freePort()));
    await eventually('the start', () => daemon.stdout().includes('listens on port'));
    const silent = connect({ host, port });
    silent.on('error', () => {});
    await new Promise((resolve) => silent.once('connect', resolve));
    const closed = new Promise((resolve) => silent.once('close', resolve));
    daemon.child.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    await closed;
    expect(daemon.stdout()).toContain('SIGTERM: the coordinator ends');
    expect(daemon.stderr()).toBe('');
  });

  it('ends with status 0 on a SIGTERM that comes before it listens (BUGS 89)', async () => {
    const early = preload(endBeforeListening);
    const file = settingsFile(await freePort(), await freePort());
    const daemon = startWith([...early, process.execPath], '--settings', file);
    expect(await daemon.ended).toBe(0);
    expect(daemon.stdout()).toContain('SIGTERM: the coordinator ends');
    expect(daemon.stderr()).toBe('');
  });
});
