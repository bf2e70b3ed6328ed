/**
 * Two network namespaces with a cable between them, a server on port 6443 in the first, and nft of
 * the first as a program. They end with `close`, and without root's rights they can't be made.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Processes, RunningProcess } from '../../../shared/ports/processes.ts';

export const mayMakeNamespaces =
  spawnSync('unshare', ['-rn', 'nft', 'list', 'ruleset'], { stdio: 'ignore' }).status === 0;

const SERVER = '192.0.2.1';
const CABLE = `set -e
  unshare -n sleep 600 & other=$!
  until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
  ip link set lo up
  ip link add here type veth peer name there netns $other
  ip address add ${SERVER}/24 dev here
  ip link set here up
  nsenter --net=/proc/$other/ns/net ip address add 192.0.2.2/24 dev there
  nsenter --net=/proc/$other/ns/net ip link set there up
  echo $other
  # Ends with the test's own end of the pipe, and takes the other with it.
  cat >/dev/null; kill $other`;

/** Answers each connection with a byte, and each byte with another. */
const SERVE = `require('net')
  .createServer((one) => one.on('error', () => {}).on('data', () => one.write('x')).write('x'))
  .listen(6443, '0.0.0.0', () => console.log('ready'))`;
/** A new connection every 20 ms, each given up after 100 ms; a line for each that was answered. */
const PROBE = (address: string) => `setInterval(() => {
    const one = require('net').connect({ port: 6443, host: '${address}' });
    one.on('error', () => {}).on('data', () => console.log('answered'));
    setTimeout(() => one.destroy(), 100);
  }, 20)`;

/** One connection that is never given up, and asks every 20 ms; a line for each answer. */
const HOLD = (address: string) => `const begin = () => {
    const one = require('net').connect({ port: 6443, host: '${address}' });
    one.on('error', begin).on('data', () => console.log('answered')).setNoDelay();
    one.on('connect', () => setInterval(() => one.writableLength === 0 && one.write('q'), 20));
  };
  begin()`;

/** New connections over the cable or loopback, or one over the cable that is held. */
export type Client = 'cable' | 'loopback' | 'held';

export interface Namespaces {
  /** A program for `nftGate`. */
  readonly command: string;
  /** Runs one nft command. */
  nft(...words: string[]): string;
  /** Answers that a client has got so far. */
  answers(from: Client): number;
  close(): void;
}

export async function makeNamespaces(): Promise<Namespaces> {
  const directory = mkdtempSync(join(tmpdir(), 'baton-nft-'));
  const children: ChildProcess[] = [];
  const begin = (command: string, args: readonly string[]): ChildProcess => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    return child;
  };
  const holder = begin('unshare', ['-rn', 'sh', '-c', CABLE]);
  const other = (await firstLine(holder)).trim();
  const enter = (pid: number | string): string[] => [
    '-t',
    `${pid}`,
    '-U',
    '-n',
    '--preserve-credentials',
  ];
  const server = enter(holder.pid ?? 0);
  const node = (place: readonly string[], script: string) =>
    begin('nsenter', [...place, process.execPath, '--eval', script]);
  await firstLine(node(server, SERVE));
  const counts = { cable: 0, loopback: 0, held: 0 };
  const probes = [
    ['held', node(enter(other), HOLD(SERVER))],
    ['cable', node(enter(other), PROBE(SERVER))],
    ['loopback', node(server, PROBE('127.0.0.1'))],
  ] as const;
  for (const [from, child] of probes) {
    child.stdout?.on('data', (text) => {
      counts[from] += `${text}`.split('\n').length - 1;
    });
  }
  const command = join(directory, 'nft');
  writeFileSync(command, `#!/bin/sh\nexec nsenter ${server.join(' ')} nft "$@"\n`, { mode: 0o755 });
  return {
    command,
    nft: (...words) => execFileSync(command, words, { encoding: 'utf8', stdio: 'pipe' }),
    answers: (from) => counts[from],
    close() {
      for (const child of children.toReversed()) child.stdin?.end();
      for (const child of children.slice(1)) child.kill('SIGKILL');
      rmSync(directory, { recursive: true });
    },
  };
}

const firstLine = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    child.stdout?.once('data', (text) => resolve(`${text}`));
    child.once('exit', (code) => reject(new TypeError(`it ended with ${code}`)));
  });

/** Real programs; a started one can be stopped, now or just before it is given a certain line. */
export interface StoppingProcesses extends Processes {
  /** The next line with this in it is written into the pipe of a process that is stopped. */
  stopBefore(words: string): void;
  /** Pid of the process that was started last. */
  readonly pid: number;
  readonly isStopped: boolean;
}

export function stoppingProcesses(real: Processes): StoppingProcesses {
  let last: RunningProcess | null = null;
  let awaited: string | null = null;
  let isStopped = false;
  return {
    ...real,
    stopBefore: (words) => {
      awaited = words;
      isStopped = false;
    },
    get pid() {
      return last?.pid ?? 0;
    },
    get isStopped() {
      return isStopped;
    },
    start: (command, args, options) => {
      const started = real.start(command, args, options);
      last = started;
      const write = (line: string): boolean => {
        if (awaited !== null && line.includes(awaited)) {
          awaited = null;
          isStopped = true;
          process.kill(started.pid, 'SIGSTOP');
        }
        return started.write(line);
      };
      return { ...started, write };
    },
  };
}
