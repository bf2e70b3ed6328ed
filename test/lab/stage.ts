/**
 * What every scene works with: the cluster, its writer, its probes and observers, and the rows that
 * the faults leave behind.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BatonError } from '../../shared/errors/baton-error.ts';
import { AccessLogCollector } from './access-logs.ts';
import { type Cluster, type ClusterOptions, makeCluster } from './cluster.ts';
import type { FaultRow } from './fault-table.ts';
import type { LabNode } from './lab-node.ts';
import { hasEveryRevision, Observer } from './observer.ts';
import { findOverlaps, type Overlap } from './overlap.ts';
import { type Probes, startProbes } from './probes.ts';
import type { Timeline } from './timeline.ts';
import { waitFor } from './wait-for.ts';
import { Workload } from './workload.ts';

/** LEASE.md L2: a voter that has booted is silent for one lease, 8 s and 1 %, and a little. */
const SILENCE_MS = 8200;
/** A loaded machine with the real control plane needs a while to copy and catch up. */
const SETTLE_LIMIT_MS = 60_000;
const READY_LIMIT_MS = 60_000;

export interface StageOptions extends ClusterOptions {
  /** Writes per second. */
  readonly rate: number;
  readonly timeline: Timeline;
  readonly signal?: AbortSignal;
}

export class Stage {
  readonly cluster: Cluster;
  readonly workload: Workload;
  readonly probes: Probes;
  readonly observer: Observer;
  readonly timeline: Timeline;
  readonly signal: AbortSignal | undefined;
  readonly rows: FaultRow[] = [];
  readonly #logs = new AccessLogCollector();
  readonly #bootedMs = new Map<string, number>();
  /** Epochs that a fault or the first start called for. */
  #explained = 0;
  #unwanted = 0;
  #counted = 0;

  constructor(cluster: Cluster, options: StageOptions) {
    this.cluster = cluster;
    this.timeline = options.timeline;
    this.signal = options.signal;
    this.workload = new Workload(cluster.nodes, options.rate);
    this.probes = startProbes(cluster.nodes);
    this.observer = new Observer(cluster.nodes);
    this.observer.start();
  }

  boot(node: LabNode): void {
    this.collectLogs();
    this.#bootedMs.set(node.name, Date.now());
    node.boot();
  }

  /** Waits with this stage's signal: Ctrl-C and a daemon's end cut it. */
  waitFor<T>(what: string, limitMs: number, check: () => T | null | false): Promise<T> {
    return waitFor(what, limitMs, () => this.#checked(check), this.signal);
  }

  /** A wait that Ctrl-C cuts. */
  async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, this.signal === undefined ? {} : { signal: this.signal });
  }

  #checked<T>(check: () => T | null | false): T | null | false {
    return this.cluster.surprises.length > 0 ? this.#surprise() : check();
  }

  /** A daemon that ends by itself ends the run: the story would be about something else. */
  #surprise(): never {
    const [first] = this.cluster.surprises;
    throw new BatonError(
      'process-failed',
      'operational',
      `the ${first?.daemon} of ${first?.node} ${first?.how} although nobody ended it; its last ` +
        `words:\n${lastLines(first?.log ?? '')}`,
    );
  }

  /** The node whose API is ready. Errors: `process-failed` when none becomes so. */
  async master(): Promise<LabNode> {
    const name = await this.waitFor('a master whose API is ready', READY_LIMIT_MS, () =>
      this.probes.readyNow(),
    );
    return this.cluster.node(name);
  }

  /**
   * Every node with power follows or serves, has ended its silence, and has every revision. Until
   * then a further fault would be a double fault.
   */
  async settled(): Promise<void> {
    const master = await this.master();
    const running = this.cluster.nodes.filter(({ on }) => on);
    await this.waitFor('a settled cluster', SETTLE_LIMIT_MS, () => {
      const report = this.observer.report(master.name);
      if (report === null || report.role !== 'master') return false;
      return running.every((node) => node === master || this.#isInStep(node, report));
    });
  }

  #isInStep(node: LabNode, master: MasterReport): boolean {
    const booted = this.#bootedMs.get(node.name) ?? 0;
    if (Date.now() - booted < SILENCE_MS) return false;
    const own = this.observer.report(node.name);
    if (own === null || own.master !== master.node || own.epoch !== master.epoch) return false;
    return hasEveryRevision(node.name, master);
  }

  /** Changes of master since the last call that no fault called for become unwanted. */
  beforeFault(): void {
    const fresh = this.observer.holders.slice(this.#counted);
    this.#counted = this.observer.holders.length;
    this.#unwanted += fresh.length;
    for (const { node, epoch, atMs } of fresh) {
      this.timeline.tell('bad', `${node} took the lease (epoch ${epoch}) without need`, atMs);
    }
  }

  /** Changes of master since the fault were called for. */
  afterFault(): void {
    this.#counted = this.observer.holders.length;
    this.#explained += 1;
  }

  get failovers(): number {
    return this.#explained;
  }

  get unwantedFailovers(): number {
    return this.#unwanted;
  }

  collectLogs(): void {
    for (const { name, place } of this.cluster.nodes) this.#logs.collect(name, place.folder);
  }

  /** Two servers at once, by probes and access logs together. */
  overlaps(): Overlap[] {
    this.collectLogs();
    return findOverlaps([...this.probes.answers(), ...this.#logs.answers().answers]);
  }

  async close(): Promise<void> {
    this.observer.stop();
    await this.workload.stop();
    this.probes.stop();
    await this.cluster.close();
  }
}

/** The end of a log, for people. */
const lastLines = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n');
  } catch {
    return '(no log)';
  }
};
const LAST_LINES = 12;

type MasterReport = NonNullable<ReturnType<Observer['report']>>;

/** Makes the cluster and what surrounds it; nothing has power yet. */
export const setStage = async (options: StageOptions): Promise<Stage> =>
  new Stage(await makeCluster(options), options);
