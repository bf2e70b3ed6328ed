/** Starts the embedded stand-in as a process of its own, and talks to it, for the tests here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownNet } from '../net/own-net.ts';

const program = join(import.meta.dirname, '../../control-plane/embedded/k3s.ts');
export const host = `${ownNet()}.1`;
export const configMaps = '/api/v1/namespaces/default/configmaps';

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export interface StandIn {
  readonly child: ChildProcess;
  readonly data: string;
  readonly port: number;
  /** What it has said on stderr so far. */
  log(): string;
  call(method: string, path: string, body?: unknown, token?: string): Promise<Answer>;
  /** Resolves with the exit status, or the signal's name. */
  end(signal?: NodeJS.Signals): Promise<number | string | null>;
}

const ended = (child: ChildProcess): Promise<number | string | null> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.signalCode ?? child.exitCode)
    : new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));

const call = (port: number, method: string, path: string, body: unknown, token: string) =>
  new Promise<Answer>((resolve) => {
    const headers = { authorization: `Bearer ${token}`, 'user-agent': 'baton-test/1' };
    const options = { host, port, method, path, headers, rejectUnauthorized: false };
    const outgoing = request({ ...options, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    outgoing.on('error', () => resolve({ status: 0, text: '' }));
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });

/** Starts it on a free port and does not wait for anything. */
export const spawnStandIn = (
  data: string,
  port: number,
  token: string,
  environment: Record<string, string> = {},
): StandIn => {
  const flags = [`--data-dir=${data}`, `--https-listen-port=${port}`, `--bind-address=${host}`];
  const secret = token === '' ? [] : ['--token', token];
  const child = spawn(
    process.execPath,
    [program, 'server', ...flags, ...secret, '--disable-agent'],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, ...environment },
    },
  );
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  const admin = () => readFileSync(join(data, 'server/cred/admin.token'), 'utf8').trim();
  return {
    child,
    data,
    port,
    log: () => said,
    call: (method, path, body, own) => call(port, method, path, body, own ?? admin()),
    end: (signal) => {
      if (signal !== undefined) child.kill(signal);
      return ended(child);
    },
  };
};

/** Starts it and waits until it is ready. Returns early when it ends instead. */
export const startStandIn = async (
  data: string,
  token: string,
  environment: Record<string, string> = {},
): Promise<StandIn> => {
  const standIn = spawnStandIn(data, await freePort(), token, environment);
  while (standIn.child.exitCode === null) {
    if ((await call(standIn.port, 'GET', '/readyz', undefined, '')).status === 200) break;
    await sleep(20);
  }
  return standIn;
};
