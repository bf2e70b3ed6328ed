/** Starts, asks and ends the real stand-in for k3s; every process is ended by its own id. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

const running = new Set<ChildProcess>();
export const endAll = (): void => {
  for (const child of running) child.kill('SIGKILL');
};

/** kine compacts every second and keeps ten revisions, instead of five minutes and a thousand. */
export const quickCompaction = {
  BATON_TEST_COMPACT_INTERVAL: '1s',
  BATON_TEST_COMPACT_MIN_RETAIN: '10',
};

export class StandIn {
  readonly #data: string;
  readonly #port: number;
  readonly #child: ChildProcess;

  private constructor(data: string, port: number, child: ChildProcess) {
    this.#data = data;
    this.#port = port;
    this.#child = child;
  }

  /** Resolves once `/readyz` answers 200. */
  static async start(
    binary: string,
    data: string,
    token: string,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<StandIn> {
    const port = await freePort();
    const flags = [
      'server',
      `--data-dir=${data}`,
      `--token=${token}`,
      '--bind-address=127.0.0.1',
      `--https-listen-port=${port}`,
      '--disable-agent',
    ];
    const child = spawn(binary, flags, {
      stdio: 'ignore',
      env: { ...process.env, ...environment },
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const server = new StandIn(data, port, child);
    while ((await server.call('GET', '/readyz')).status !== 200) {
      if (child.exitCode !== null) throw new TypeError('the stand-in ended before it was ready');
      await sleep(50);
    }
    return server;
  }

  #bearer(): string {
    try {
      return readFileSync(`${this.#data}/server/cred/admin.token`, 'utf8').trim();
    } catch {
      // Not written yet: the server is still starting.
      return '';
    }
  }

  /** One HTTPS request; status 0 when nobody answers. */
  call(method: string, path: string, body = ''): Promise<Answer> {
    return new Promise((resolve) => {
      const outgoing = request(
        {
          host: '127.0.0.1',
          port: this.#port,
          method,
          path,
          headers: {
            authorization: `Bearer ${this.#bearer()}`,
            'content-type': 'application/json',
          },
          rejectUnauthorized: false,
        },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
          answer.on('error', () => resolve({ status: 0, text }));
        },
      );
      outgoing.on('error', () => resolve({ status: 0, text: '' }));
      outgoing.end(body);
    });
  }

  static readonly maps = '/api/v1/namespaces/default/configmaps';

  /** Creates a ConfigMap; returns its resourceVersion. */
  async create(name: string): Promise<number> {
    const answer = await this.call('POST', StandIn.maps, JSON.stringify({ metadata: { name } }));
    if (answer.status !== 201) throw new TypeError(`${name}: ${answer.status} ${answer.text}`);
    return Number(JSON.parse(answer.text).metadata.resourceVersion);
  }

  async remove(name: string): Promise<void> {
    const answer = await this.call('DELETE', `${StandIn.maps}/${name}`);
    if (answer.status !== 200) throw new TypeError(`${name}: ${answer.status} ${answer.text}`);
  }

  async names(): Promise<string[]> {
    const answer = await this.call('GET', StandIn.maps);
    return JSON.parse(answer.text).items.map(
      (item: { metadata: { name: string } }) => item.metadata.name,
    );
  }

  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.kill(signal);
    });
  }
}
