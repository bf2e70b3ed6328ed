/**
 * What every case works with: the machines, the writer, the probes, and what was seen so far.
 *
 * Judged from the bridge alone: who answered, what was written, what is gone. The agents' own words
 * are used to know when a cluster has settled, and for the story.
 */

import type { Excuse } from '../ledger.ts';
import { hasEveryRevision, Observer } from '../observer.ts';
import { type Answer, findOverlaps, type Overlap } from '../overlap.ts';
import { type Probes, startProbes } from '../probes.ts';
import { waitFor } from '../wait-for.ts';
import { Workload } from '../workload.ts';
import type { Fleet } from './fleet.ts';
import type { Machine } from './machine.ts';

/** LEASE.md L2: a voter that has booted is silent for one lease, 8 s and 1 %, and a little. */
const SILENCE_MS = 8300;
/** For a host that is busy with other work; what is measured is told as a figure. */
const SETTLE_LIMIT_MS = 150_000;
const SERVER_LIMIT_MS = 150_000;
const WRITES_PER_SECOND = 20;
/** A server that answers does so within this time; less than any two elections are apart. */
const EARLIER_TENURE_MS = 5000;

/** What a change of server cost. */
export interface Failover {
  readonly server: Machine;
  /** From the last answered write of the old server to the first of the new one, ms. */
  readonly gapMs: number;
}

export interface Losses {
  readonly old: number;
  readonly recent: number;
  readonly atRiskMs: number;
}

const NOTHING_LOST: Losses = { old: 0, recent: 0, atRiskMs: 0 };

/** An overlap in one word: its stretches may grow, and begin where they began. */
const nameOf = ({ first, second }: Overlap): string =>
  [first, second].map(({ node, fromUs }) => `${node}@${fromUs}`).join('+');

export class Stage {
  readonly fleet: Fleet;
  readonly workload: Workload;
  readonly probes: Probes;
  readonly observer: Observer;
  readonly signal: AbortSignal;
  readonly tell: (line: string) => void;
  #begun = false;
  readonly #heard: Answer[] = [];
  readonly #told = new Set<string>();
  #lost = NOTHING_LOST;

  constructor(fleet: Fleet, signal: AbortSignal, tell: (line: string) => void) {
    this.fleet = fleet;
    this.signal = signal;
    this.tell = tell;
    this.workload = new Workload(fleet.machines, WRITES_PER_SECOND);
    this.probes = startProbes(fleet.machines);
    this.observer = new Observer(fleet.machines);
    this.observer.start();
  }

  waitFor<T>(what: string, limitMs: number, check: () => T | null | false): Promise<T> {
    return waitFor(what, limitMs, check, this.signal);
  }

  /** Whether the cluster has come up once. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Power for everybody and the first server; ends when every receiver has every revision. */
  async start(): Promise<void> {
    await Promise.all(this.fleet.machines.map((machine) => machine.boot()));
    this.workload.start();
    await this.settled();
    this.#begun = true;
  }

  /** The machine whose API is ready now. */
  async server(): Promise<Machine> {
    const name = await this.waitFor('a server whose API is ready', SERVER_LIMIT_MS, () =>
      this.probes.readyNow(),
    );
    return this.fleet.machine(name);
  }

  /** A machine that has power and is not the server. */
  async receiver(): Promise<Machine> {
    const server = await this.server();
    const other = (one: Machine) => one !== server && one.on;
    return this.waitFor('a second machine', 1000, () => this.fleet.machines.find(other) ?? null);
  }

  /**
   * Every machine with power follows or serves, has ended its silence and has every revision; until
   * then another fault would be a double fault. Returns the server.
   */
  async settled(): Promise<Machine> {
    const running = this.fleet.machines.filter(({ on, frozen }) => on && !frozen);
    let why = '';
    try {
      await this.waitFor('a settled cluster', SETTLE_LIMIT_MS, () => {
        why = this.#unsettled(running);
        return why === '';
      });
    } catch (error) {
      this.tell(`not settled: ${why}`);
      throw error;
    }
    return this.server();
  }

  #unsettled(running: readonly Machine[]): string {
    const ready = this.probes.readyNow();
    if (ready === null) return 'no API is ready';
    const master = this.observer.report(ready);
    if (master?.role !== 'master') return `the agent of ${ready} says ${master?.role ?? 'nothing'}`;
    // Whose writes a fault may cost is known from the last one before it.
    const written = this.workload.lastAcknowledged(Number.POSITIVE_INFINITY);
    if (written?.node !== ready) return `${ready} has taken no write yet`;
    for (const { name } of running.filter((one) => one.name !== ready)) {
      // Counted from its agent's start: a busy host takes seconds from power to there.
      const heardMs = this.observer.bootHeardMs(name) ?? Date.now();
      if (Date.now() - heardMs < SILENCE_MS) return `${name} is silent`;
      const own = this.observer.report(name);
      if (own === null) return `the agent of ${name} says nothing`;
      if (own.master !== ready || own.epoch !== master.epoch) {
        return `${name} follows ${own.master} of epoch ${own.epoch}, not ${master.epoch}`;
      }
      // Who left in order is taken back a moment after its start; two voters are another cluster.
      if (master.list?.members.includes(name) !== true) return `${name} is no voter yet`;
      const receives = own.role === 'witness' || hasEveryRevision(name, master);
      if (!receives) return `${name} has not every revision`;
    }
    return '';
  }

  /** Waits until a server other than `old` takes writes after the fault at `atMs`, and tells it. */
  async failover(atMs: number, old: Machine | null): Promise<Failover> {
    const limit = SERVER_LIMIT_MS;
    const ready = await this.waitFor('another server that is ready', limit, () =>
      this.probes.firstReady(atMs, old?.name),
    );
    const first = await this.waitFor('a first write', limit, () =>
      this.workload.firstAcknowledged(Math.max(atMs, ready.atMs - 1000), ready.node),
    );
    const before = this.workload.lastAcknowledged(first.atMs, old?.name);
    // Where it answered none in this tenure, its last one is of an earlier one.
    const isRecent = before !== null && before.atMs > atMs - EARLIER_TENURE_MS;
    const gapMs = first.atMs - (isRecent ? before.atMs : atMs);
    const readyMs = ready.atMs - atMs;
    this.tell(`${ready.node} serves after ${gapMs} ms, its API was ready after ${readyMs} ms`);
    return { server: this.fleet.machine(ready.node), gapMs };
  }

  /** The server loses its power, another one serves, and the lost one returns as a receiver. */
  async loseServer(old: Machine): Promise<Failover & { readonly atMs: number }> {
    const atMs = await old.cutPower();
    this.tell(`${old.name}, the server, has lost its power`);
    const failover = await this.failover(atMs, old);
    await old.boot();
    await this.settled();
    return { ...failover, atMs };
  }

  /**
   * What the present server has not, of what was acknowledged; each loss is told once, and kept for
   * the verdict.
   */
  async losses(endMs: number, excuse?: Excuse): Promise<Losses> {
    const server = await this.server();
    const state = await this.workload.readState(server);
    const known = await this.waitFor(`a list of all objects of ${server.name}`, 1, () => state);
    const { old, recent, atRiskMs } = this.workload.ledger.newLosses(known, endMs, excuse);
    const before = this.#lost;
    this.#lost = {
      old: before.old + old.length,
      recent: before.recent + recent.length,
      atRiskMs: Math.max(before.atRiskMs, atRiskMs),
    };
    return { old: old.length, recent: recent.length, atRiskMs };
  }

  /** All losses since the last call, for a verdict. */
  takeLosses(): Losses {
    const lost = this.#lost;
    this.#lost = NOTHING_LOST;
    return lost;
  }

  /** Longest time without an answered write since `fromMs`. */
  longestPauseMs(fromMs: number): number {
    const times = this.workload.acknowledged
      .map(({ atMs }) => atMs)
      .filter((atMs) => atMs >= fromMs);
    const ends = [...times, Date.now()];
    return Math.max(...ends.map((atMs, index) => atMs - (ends[index - 1] ?? fromMs)));
  }

  /** An answer of `node` that neither probes nor writer asked for. */
  heard(node: string, atMs: number): void {
    this.#heard.push({ node, atUs: atMs * 1000 });
  }

  /** Two servers at once, seen whenever on this stage, that no earlier call has returned. */
  newOverlaps(): Overlap[] {
    const fresh = this.#overlaps().filter((one) => !this.#told.has(nameOf(one)));
    for (const one of fresh) this.#told.add(nameOf(one));
    return fresh;
  }

  #overlaps(): Overlap[] {
    const written = this.workload.acknowledged.map(({ node, atMs }) => ({
      node,
      atUs: atMs * 1000,
    }));
    return findOverlaps([...this.probes.answers(), ...written, ...this.#heard]);
  }

  async close(): Promise<void> {
    this.observer.stop();
    this.probes.stop();
    await this.fleet.scrap();
    await this.workload.stop();
  }
}
