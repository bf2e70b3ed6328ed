/**
 * Asks every node's API each 20 ms from outside whether it answers: who serves, and since when, is
 * taken from here and from the access logs, never from what the daemons say.
 *
 * A node that refuses connections is only knocked at (TCP), so that the probes of idle nodes cost
 * next to nothing. One question per node is under way at a time.
 */
import { connect } from 'node:net';
import { type ApiClient, apiClient } from './api-client.ts';
import { API_PORT } from './layout.ts';
import type { Answer } from './overlap.ts';
import type { WatchedNode } from './watched.ts';

export const PROBE_PERIOD_MS = 20;
/** A server that says nothing for this long is asked anew. */
const TIMEOUT_MS = 1000;
const READY = 200;

export interface Probes {
  /** Every answer of any status so far. */
  answers(): readonly Answer[];
  /** Wall ms of the first 200 of /readyz at or after `sinceMs`, from any node but `without`. */
  firstReady(sinceMs: number, without?: string): { node: string; atMs: number } | null;
  /** Wall ms of the last answer of a node before `untilMs`; null when it never answered. */
  lastAnswer(node: string, untilMs?: number): number | null;
  /** The node whose /readyz said 200 within the last 200 ms, null when none did. */
  readyNow(): string | null;
  stop(): void;
}

interface Seen {
  readonly node: string;
  readonly atMs: number;
  readonly status: number;
}

/** Whether somebody listens. */
const knock = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port: API_PORT, timeout: TIMEOUT_MS });
    const end = (open: boolean) => () => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false));
  });

class Prober {
  readonly #node: WatchedNode;
  readonly #client: ApiClient;
  readonly #seen: Seen[];
  #answered = false;
  #busy = false;

  constructor(node: WatchedNode, seen: Seen[]) {
    this.#node = node;
    this.#client = apiClient(node.place.address, 'baton-probe/1');
    this.#seen = seen;
  }

  ask(): void {
    if (this.#busy) return;
    this.#busy = true;
    void this.#once().finally(() => {
      this.#busy = false;
    });
  }

  async #once(): Promise<void> {
    if (!this.#answered && !(await knock(this.#node.place.address))) return;
    const question = { method: 'GET', path: '/readyz', timeoutMs: TIMEOUT_MS };
    const { status, atMs } = await this.#client.call(question);
    this.#answered = status !== 0;
    if (this.#answered) this.#seen.push({ node: this.#node.name, atMs, status });
  }

  close(): void {
    this.#client.close();
  }
}

export const startProbes = (nodes: readonly WatchedNode[]): Probes => {
  const seen: Seen[] = [];
  const probers = nodes.map((node) => new Prober(node, seen));
  const timer = setInterval(() => {
    for (const prober of probers) prober.ask();
  }, PROBE_PERIOD_MS);
  const ready = (one: Seen): boolean => one.status === READY;
  return {
    answers: () => seen.map(({ node, atMs }) => ({ node, atUs: atMs * 1000 })),
    firstReady: (sinceMs, without) =>
      seen.find((one) => one.atMs >= sinceMs && one.node !== without && ready(one)) ?? null,
    lastAnswer: (node, untilMs = Number.POSITIVE_INFINITY) =>
      seen.findLast((one) => one.node === node && one.atMs < untilMs)?.atMs ?? null,
    readyNow: () => {
      const last = seen.findLast(ready);
      return last !== undefined && last.atMs > Date.now() - 10 * PROBE_PERIOD_MS ? last.node : null;
    },
    stop: () => {
      clearInterval(timer);
      for (const prober of probers) prober.close();
    },
  };
};
