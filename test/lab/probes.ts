/**
 * Asks every node's API from outside whether it answers: who serves, and since when, is taken from
 * here and from the access logs, never from what the daemons say.
 *
 * A node that answers at once is asked each 20 ms, over connections that are kept. One that does
 * not is knocked at (TCP) each 40 ms at the latest, whatever became of the knocks before: where
 * packets are dropped or a machine hangs is where a second server would show. Whoever opens is
 * asked, unless a question of the last half second waits there already, whose answer would show as
 * well: a machine that hangs for long would otherwise have hundreds of them to work off before
 * anything else, and never get to what the lab wants to see. Each knock and question ends after a
 * second, so few are open, and an idle node costs next to nothing.
 *
 * It looks as often as its own process gets a processor. What it saw is kept run by run.
 */
import { connect } from 'node:net';
import { type ApiClient, apiClient } from './api-client.ts';
import { API_PORT } from './layout.ts';
import type { Answer } from './overlap.ts';
import type { WatchedNode } from './watched.ts';

export const PROBE_PERIOD_MS = 20;
/** So old must a knock be that waits, before there is another: every second period has one. */
const LEAST_WAIT_MS = 25;
/** And a question. */
const QUESTION_WAIT_MS = 500;
/** A question that nobody answers for this long has ended. */
const TIMEOUT_MS = 1000;
const READY = 200;

/** Questions of one node that followed each other and ended alike. */
export interface Observation {
  readonly node: string;
  /** `status 200`, `open, no answer`, `no connection`, or the name of the error. */
  readonly answer: string;
  /** When the first was asked and the last ended, wall clock in ms. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly questions: number;
}

export interface Probes {
  /** Every answer of any status so far. */
  answers(): readonly Answer[];
  /** Every question so far, by the beginning of its run. */
  observations(): readonly Observation[];
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

/** Whether somebody listens: null, or why not. */
const knock = (address: string): Promise<string | null> =>
  new Promise((resolve) => {
    const socket = connect({ host: address, port: API_PORT, timeout: TIMEOUT_MS });
    const end = (why: string | null): void => {
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => end(null));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.once('timeout', () => end('no connection'));
  });

class Prober {
  readonly #node: WatchedNode;
  readonly #client: ApiClient;
  readonly #seen: Seen[];
  readonly #runs: Observation[] = [];
  #answered = false;
  #open = 0;
  #askedMs = Number.NEGATIVE_INFINITY;
  /** Questions that were sent and wait, and when the last one was. */
  #waiting = 0;
  #sentMs = Number.NEGATIVE_INFINITY;

  constructor(node: WatchedNode, seen: Seen[]) {
    this.#node = node;
    this.#client = apiClient(node.place.address, 'baton-probe/1');
    this.#seen = seen;
  }

  get runs(): readonly Observation[] {
    return this.#runs;
  }

  ask(): void {
    const askedMs = Date.now();
    if (this.#open > 0 && Math.abs(askedMs - this.#askedMs) < LEAST_WAIT_MS) return;
    this.#askedMs = askedMs;
    this.#open += 1;
    void this.#once(askedMs)
      .then((answer) => this.#keep(answer, askedMs))
      .finally(() => {
        this.#open -= 1;
      });
  }

  /** How it ended; null where the answer to another question will tell. */
  async #once(askedMs: number): Promise<string | null> {
    const known = this.#answered && this.#waiting === 0;
    const shut = known ? null : await knock(this.#node.place.address);
    if (shut !== null) return shut;
    if (this.#waiting > 0 && Date.now() - this.#sentMs < QUESTION_WAIT_MS) return null;
    this.#sentMs = Date.now();
    this.#waiting += 1;
    const timeoutMs = Math.max(1, askedMs + TIMEOUT_MS - this.#sentMs);
    const question = { method: 'GET', path: '/readyz', timeoutMs };
    const { status, atMs } = await this.#client.call(question);
    this.#waiting -= 1;
    this.#answered = status !== 0;
    if (!this.#answered) return 'open, no answer';
    this.#seen.push({ node: this.#node.name, atMs, status });
    return `status ${status}`;
  }

  #keep(answer: string | null, askedMs: number): void {
    if (answer === null) return;
    const [last, toMs] = [this.#runs.at(-1), Date.now()];
    if (last?.answer === answer) {
      this.#runs[this.#runs.length - 1] = { ...last, toMs, questions: last.questions + 1 };
    } else {
      this.#runs.push({ node: this.#node.name, answer, fromMs: askedMs, toMs, questions: 1 });
    }
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
    observations: () => probers.flatMap(({ runs }) => runs).toSorted((a, b) => a.fromMs - b.fromMs),
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
