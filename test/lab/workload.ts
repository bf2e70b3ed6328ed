/**
 * Writes ConfigMaps steadily through the API, as a client of the cluster would: kept-alive
 * connections, a fixed rate, following the master by the nodes' hosts files. Every answer goes to
 * the ledger, which later says what is lost.
 *
 * The rate is kept as long as the server keeps up; writes that could not be sent are not made up
 * for. A write whose answer did not come within two seconds counts as unknown.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiAnswer, type ApiClient, apiClient } from './api-client.ts';
import { announcedMasters } from './follow-master.ts';
import { Ledger, type ServerState } from './ledger.ts';
import type { WatchedNode } from './watched.ts';
import { KEY_PREFIX, type PlannedWrite, type WriteOutcome, WritePlan } from './write-plan.ts';

export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const KEYS = 300;
/** Writes under way at once. */
const MOST_AT_ONCE = 16;
/** After a refusal, before the next try. */
const RETRY_MS = 20;
/** A try at an address that is gone hangs; clients that begin meanwhile do not wait for it. */
const TRY_MS = 200;
const TIMEOUT_MS = 2000;

export interface Acknowledgement {
  readonly number: number;
  readonly node: string;
  readonly revision: number | null;
  readonly atMs: number;
}

/** The object as written: its number, and text so that it weighs what a ConfigMap weighs. */
const objectOf = ({ key, number }: PlannedWrite) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: key },
  data: { number: String(number), filler: 'baton '.repeat(60) },
});

const requestOf = (write: PlannedWrite): { method: string; path: string; body?: unknown } => {
  if (write.kind === 'create') return { method: 'POST', path: CONFIG_MAPS, body: objectOf(write) };
  const path = `${CONFIG_MAPS}/${write.key}`;
  if (write.kind === 'delete') return { method: 'DELETE', path };
  return { method: 'PUT', path, body: objectOf(write) };
};

const outcomeOf = ({ status }: ApiAnswer): WriteOutcome => {
  if (status >= 200 && status < 300) return 'done';
  if (status === 409) return 'exists';
  return status === 404 ? 'missing' : 'unknown';
};

const revisionOf = (text: string): number | null => {
  const parsed = JSON.parse(text) as { metadata?: { resourceVersion?: string } };
  const revision = Number(parsed.metadata?.resourceVersion);
  return Number.isSafeInteger(revision) && revision > 0 ? revision : null;
};

/** The admin token that the stand-ins leave beside the datastore; it is the cluster's. */
const tokenOf = (node: WatchedNode): string | undefined => {
  try {
    return readFileSync(join(node.place.k3sDataDir, 'server/cred/admin.token'), 'utf8').trim();
  } catch {
    return undefined; // Not written yet, or moved to quarantine this moment.
  }
};

export class Workload {
  readonly ledger = new Ledger();
  readonly #nodes: readonly WatchedNode[];
  readonly #rate: number;
  readonly #plan = new WritePlan(KEYS, Math.random);
  readonly #clients = new Map<string, ApiClient>();
  readonly #acknowledged: Acknowledgement[] = [];
  #token: string | undefined;
  #target: WatchedNode | null = null;
  #under = 0;
  #paused = true;
  #stopped = false;
  #loop: Promise<void> | null = null;

  constructor(nodes: readonly WatchedNode[], rate: number) {
    this.#nodes = nodes;
    this.#rate = rate;
  }

  start(): void {
    this.#paused = false;
    this.#loop ??= this.#run();
  }

  /** No further writes; resolves when none is under way. */
  async pause(): Promise<void> {
    this.#paused = true;
    while (this.#under > 0) await sleep(5);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.pause();
    await this.#loop;
    for (const client of this.#clients.values()) client.close();
  }

  get acknowledged(): readonly Acknowledgement[] {
    return this.#acknowledged;
  }

  /** The last one before `untilMs` by `node`, or by any node. */
  lastAcknowledged(untilMs: number, node?: string): Acknowledgement | null {
    const wanted = (one: Acknowledgement) =>
      one.atMs < untilMs && (node === undefined || one.node === node);
    return this.#acknowledged.findLast(wanted) ?? null;
  }

  /** The first one after `sinceMs` by `node`. */
  firstAcknowledged(sinceMs: number, node: string): Acknowledgement | null {
    return this.#acknowledged.find((one) => one.atMs > sinceMs && one.node === node) ?? null;
  }

  /**
   * Every object that `node` holds, with the writes paused meanwhile; null when it does not answer.
   */
  async readState(node: WatchedNode): Promise<ServerState | null> {
    const wasPaused = this.#paused;
    await this.pause();
    const token = tokenOf(node) ?? this.#token;
    const call = { method: 'GET', path: CONFIG_MAPS, timeoutMs: 5 * TIMEOUT_MS };
    const answer = await this.#client(node).call({
      ...call,
      ...(token === undefined ? {} : { token }),
    });
    this.#paused = wasPaused;
    return answer.status === 200 ? stateOf(answer.text) : null;
  }

  #client(node: WatchedNode): ApiClient {
    const known = this.#clients.get(node.name);
    if (known !== undefined) return known;
    const made = apiClient(node.place.address, 'baton-workload/1');
    this.#clients.set(node.name, made);
    return made;
  }

  async #run(): Promise<void> {
    let due = performance.now();
    while (!this.#stopped) {
      due = Math.max(due + 1000 / this.#rate, performance.now() - RETRY_MS);
      await sleep(Math.max(0, due - performance.now()));
      if (this.#paused || this.#stopped) continue;
      if (this.#target !== null) {
        if (this.#under < MOST_AT_ONCE) this.#send(this.#target);
      } else if (this.#under < MOST_AT_ONCE) {
        const found = this.#findTarget();
        raise(found);
        await Promise.race([found, sleep(TRY_MS)]);
        if (this.#target === null) await sleep(RETRY_MS);
      }
    }
  }

  /** The newest announced master that takes a write. */
  async #findTarget(): Promise<void> {
    for (const node of announcedMasters(this.#nodes)) {
      // An earlier or a later try may have found one meanwhile.
      if (this.#paused || this.#stopped || this.#target !== null) return;
      this.#token = tokenOf(node) ?? this.#token;
      if (await this.#write(node)) {
        this.#target ??= node;
        return;
      }
    }
  }

  #send(node: WatchedNode): void {
    const sent = this.#write(node).then((answered) => {
      if (!answered && this.#target === node) this.#target = null;
    });
    raise(sent);
  }

  /** One write. False when no useful answer came. */
  async #write(node: WatchedNode): Promise<boolean> {
    const write = this.#plan.next();
    if (write === null) return true;
    this.#under += 1;
    this.ledger.begin(write.number, write.kind, write.key);
    const token = this.#token === undefined ? {} : { token: this.#token };
    const call = { ...requestOf(write), ...token, timeoutMs: TIMEOUT_MS };
    const answer = await this.#client(node).call(call);
    const outcome = outcomeOf(answer);
    if (outcome === 'done') this.#record(write, node, answer);
    this.#plan.settle(write, outcome);
    this.#under -= 1;
    return outcome !== 'unknown';
  }

  #record({ number, kind, key }: PlannedWrite, node: WatchedNode, answer: ApiAnswer): void {
    const revision = kind === 'delete' ? null : revisionOf(answer.text);
    this.ledger.acknowledge(number, key, { ms: answer.atMs, node: node.name, revision });
    this.#acknowledged.push({ number, node: node.name, revision, atMs: answer.atMs });
  }
}

/** Nothing may be lost from the ledger silently: an error ends the process. */
const raise = (work: Promise<void>): void => {
  work.catch((error: unknown) => {
    process.nextTick(() => {
      throw error;
    });
  });
};

/** Key → number of its last write, from a ConfigMapList. */
export const stateOf = (listText: string): ServerState => {
  const list = JSON.parse(listText) as {
    items: { metadata: { name: string }; data?: { number?: string } }[];
  };
  const ours = list.items.filter(({ metadata }) => metadata.name.startsWith(KEY_PREFIX));
  return new Map(ours.map(({ metadata, data }) => [metadata.name, Number(data?.number)]));
};
