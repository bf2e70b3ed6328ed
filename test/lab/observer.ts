/**
 * Asks every agent for its status over the control socket and keeps what changed and when: who
 * missed the master, who took the lease. Only for the timeline and the table; whether two servers
 * answered and what was lost is judged without it.
 *
 * Resolution: one round of questions (50 ms). A frozen agent does not answer, which is its news.
 */
import { readFileSync, statSync } from 'node:fs';
import { askAgent } from '../../agent/cli/adapters/control-client.ts';
import type { StatusAnswer } from '../../agent/cli/control.ts';
import { systemClock } from '../../shared/adapters/system-clock.ts';
import type { NodeReport } from '../../shared/protocol/report.ts';
import type { LabNode } from './lab-node.ts';
import type { WatchedNode } from './watched.ts';

const PERIOD_MS = 50;

/** A change in what a node says of itself. */
export interface Sighting {
  readonly atMs: number;
  readonly node: string;
  readonly role: NodeReport['role'];
  readonly phase: string;
  readonly master: string | null;
  readonly epoch: number;
}

/** The first sighting of a node that holds a lease under an epoch. */
export interface Holder {
  readonly node: string;
  readonly epoch: number;
  readonly atMs: number;
}

const same = (a: Sighting | undefined, b: Sighting): boolean =>
  a !== undefined &&
  a.role === b.role &&
  a.phase === b.phase &&
  a.master === b.master &&
  a.epoch === b.epoch;

export class Observer {
  readonly #nodes: readonly WatchedNode[];
  readonly #clock = systemClock();
  readonly #reports = new Map<string, { report: NodeReport; atMs: number }>();
  readonly #last = new Map<string, Sighting>();
  readonly #boots = new Map<string, { id: string; atMs: number }>();
  readonly #busy = new Set<string>();
  readonly #sightings: Sighting[] = [];
  readonly #holders: Holder[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(nodes: readonly WatchedNode[]) {
    this.#nodes = nodes;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      for (const node of this.#nodes) this.#ask(node);
    }, PERIOD_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  get holders(): readonly Holder[] {
    return this.#holders;
  }

  get sightings(): readonly Sighting[] {
    return this.#sightings;
  }

  /** What the node last said, when it said so within `maxAgeMs`. */
  report(node: string, maxAgeMs = 1000): NodeReport | null {
    const known = this.#reports.get(node);
    return known === undefined || known.atMs < Date.now() - maxAgeMs ? null : known.report;
  }

  /** Wall clock at the first word of the node's present boot, ms; null before it. */
  bootHeardMs(node: string): number | null {
    return this.#boots.get(node)?.atMs ?? null;
  }

  /** The first time that a node other than `lost` stopped calling it master. */
  firstMissed(lost: string, sinceMs: number): Sighting | null {
    const missed = (one: Sighting) =>
      one.atMs >= sinceMs && one.node !== lost && one.master !== lost;
    return this.#sightings.find(missed) ?? null;
  }

  firstHolder(sinceMs: number, aboveEpoch: number): Holder | null {
    return this.#holders.find((one) => one.atMs >= sinceMs && one.epoch > aboveEpoch) ?? null;
  }

  /** Highest epoch that any holder was seen with. */
  get epoch(): number {
    return Math.max(0, ...this.#holders.map(({ epoch }) => epoch));
  }

  #ask(node: WatchedNode): void {
    // What a machine said before it lost its power is no word of the next boot.
    if (!node.on) this.#reports.delete(node.name);
    if (!node.on || this.#busy.has(node.name)) return;
    this.#busy.add(node.name);
    void askAgent(this.#clock, node.place.controlSocket, { verb: 'status' })
      .then((outcome) => {
        if (outcome.ok && node.on) this.#heard(node.name, outcome.line);
      })
      .finally(() => this.#busy.delete(node.name));
  }

  #heard(node: string, line: string): void {
    const { self } = JSON.parse(line) as Partial<StatusAnswer>;
    if (self === undefined) return; // It cannot tell yet: it has only just started.
    const atMs = Date.now();
    this.#reports.set(node, { report: self, atMs });
    if (this.#boots.get(node)?.id !== self.boot_id) {
      this.#boots.set(node, { id: self.boot_id, atMs });
    }
    const { role, phase, master, epoch } = self;
    const sighting = { atMs, node, role, phase, master, epoch };
    if (same(this.#last.get(node), sighting)) return;
    this.#last.set(node, sighting);
    this.#sightings.push(sighting);
    const known = this.#holders.some((one) => one.epoch === epoch && one.node === node);
    if (role === 'master' && !known) this.#holders.push({ node, epoch, atMs });
  }
}

/** When the supervisor started the server that runs on the node now; null when none does. */
export const serverStartedMs = (node: LabNode): number | null => {
  try {
    return statSync(node.place.serverPidFile).mtimeMs;
  } catch {
    return null;
  }
};

/** The server that the supervisor started last; null when none did. It may have ended. */
export const serverPid = (node: LabNode): number | null => {
  try {
    const pid = Number.parseInt(readFileSync(node.place.serverPidFile, 'utf8'), 10);
    return pid > 1 ? pid : null;
  } catch {
    return null;
  }
};

/** Two moments of a change of master, wall clock in ms. */
export interface LeaseTaken {
  /** The new master missed the old one; null where there was none before. */
  readonly missedMs: number | null;
  readonly takenMs: number;
}

type MasterReport = Pick<NodeReport, 'epoch' | 'receivers'>;

/**
 * Whether `node` has what the master of `report` wrote until a second ago. Its lag alone does not
 * say so: right after a start of the server nothing is sent yet that could be late. Rows of this
 * tenure come after all earlier ones.
 */
export const hasEveryRevision = (node: string, { epoch, receivers }: MasterReport): boolean => {
  const known = receivers.find((receiver) => receiver.node === node);
  return known !== undefined && known.lineage_epoch === epoch && known.lag_ms < 1000;
};

/**
 * When the new master missed the old one and took the lease, by its own timeline (milliseconds
 * between its steps), pinned to the wall clock by the pid file of the server that it started. Finer
 * than asking can see; null when the timeline does not reach back so far.
 */
export const leaseTaken = (node: LabNode, report: NodeReport): LeaseTaken | null => {
  const started = serverStartedMs(node);
  const { promotion } = report;
  const at = (wanted: (step: string) => boolean): number | null =>
    promotion.findLast(({ step }) => wanted(step))?.at_ms ?? null;
  const start = at((step) => step === 'start_server');
  const holds = at((step) => step === `${node.name} holds epoch ${report.epoch}`);
  if (started === null || start === null || holds === null) return null;
  const missed = at((step) => step.endsWith(' was missed'));
  const wall = (atMs: number): number => Math.round(started - (start - atMs));
  return { missedMs: missed === null ? null : wall(missed), takenMs: wall(holds) };
};
