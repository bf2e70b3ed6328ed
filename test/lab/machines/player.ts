/**
 * Plays cases on one cluster of machines and judges them. Lives in a process whose network and
 * mounts are that cluster's own (cluster.ts).
 */
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeOverlap, type Overlap } from '../overlap.ts';
import type { Case, CaseReport } from './case.ts';
import { type FleetOptions, type FleetShape, makeFleet } from './fleet.ts';
import { loadPerCore } from './host.ts';
import type { Machine } from './machine.ts';
import type { Plan, Task } from './plan.ts';
import { Stage } from './stage.ts';
import type { Verdict } from './verdict.ts';

/**
 * Rounds on one cluster; then it is made anew: what was answered is kept in memory and gone through
 * after each round.
 */
const MOST_ROUNDS = 15;

const NOTHING_PLAYED: Omit<Verdict, 'name' | 'label'> = {
  seconds: 0,
  gapMs: null,
  powerCut: false,
  thawedAnswers: null,
  twoServers: 0,
  acknowledged: 0,
  lostOld: 0,
  lostRecent: 0,
  atRiskMs: 0,
  switchCost: null,
  load: 0,
  notJudged: [],
  wrong: [],
};
const NOTHING_SAID: CaseReport = { gapMs: null, lossesAtMs: null, wrong: [] };

const twoServers = (overlap: Overlap): string => `TWO SERVERS: ${describeOverlap(overlap)}`;

const worded = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What came of one case. */
interface Outcome {
  readonly report: CaseReport;
  /** Why the story stopped; null when it came to its end. */
  readonly stopped: string | null;
}

/** With times; nothing when the machine is too far gone to say it. */
const journalOf = (machine: Machine): Promise<string> =>
  machine.call('journalctl', '--boot', '--output=short-precise', '--no-pager').catch(() => '');

/** Everything that the observer on the bridge saw, as lines of JSON. */
const keepObserver = (stage: Stage, folder: string): void => {
  const lines = stage.probes.observations().map((one) => `${JSON.stringify(one)}\n`);
  writeFileSync(join(folder, 'observer.jsonl'), lines.join(''));
};

/** `most`: ends it, and gives the highest load per core meanwhile. */
const watchLoad = (): { most(): number } => {
  let most = loadPerCore();
  const timer = setInterval(() => {
    most = Math.max(most, loadPerCore());
  }, 1000);
  return {
    most() {
      clearInterval(timer);
      return most;
    },
  };
};

const stageOfMachines = (
  options: FleetOptions,
  signal: AbortSignal,
  tell: (line: string) => void,
): Stage => new Stage(makeFleet(options), signal, tell);

export class Player {
  readonly #plan: Plan;
  /** Number of this cluster, from 1 on. */
  readonly #cluster: number;
  readonly #signal: AbortSignal;
  readonly #setStage: typeof stageOfMachines;
  #stage: Stage | null = null;
  /** Two servers that were seen after the last verdict of a cluster that has ended. */
  readonly #untold: Overlap[] = [];
  #fleets = 0;
  #rounds = 0;

  constructor(plan: Plan, cluster: number, signal: AbortSignal, setStage = stageOfMachines) {
    this.#plan = plan;
    this.#cluster = cluster;
    this.#signal = signal;
    this.#setStage = setStage;
  }

  readonly tell = (line: string): void => {
    const seconds = ((Date.now() - this.#plan.beganMs) / 1000).toFixed(1);
    const who = this.#plan.options.clusters > 1 ? ` [${this.#cluster}]` : '';
    console.log(`${seconds.padStart(7)} s${who}  ${line}`);
  };

  /** Plays one case, on the cluster that is there when the task allows it. */
  async play(task: Task, one: Case): Promise<Verdict> {
    const stage = await this.#ready(task, one);
    this.tell(`== ${task.label}: ${one.what}`);
    const startMs = Date.now();
    const writesBefore = stage.workload.acknowledged.length;
    const busy = watchLoad();
    const { report, stopped } = await this.#outcome(stage, one);
    const losses = stage.takeLosses();
    const load = busy.most();
    const overlaps = [...this.#untold.splice(0), ...stage.newOverlaps()];
    const wrong = stopped === null ? [] : [stopped];
    wrong.push(...report.wrong);
    wrong.push(...overlaps.map(twoServers));
    if (losses.old > 0) wrong.push(`${losses.old} acknowledged writes are gone`);
    const verdict: Verdict = {
      name: one.name,
      label: task.label,
      seconds: (Date.now() - startMs) / 1000,
      gapMs: report.gapMs,
      powerCut: report.powerCut === true,
      thawedAnswers: report.thawedAnswers ?? null,
      twoServers: overlaps.length,
      acknowledged: stage.workload.acknowledged.length - writesBefore,
      lostOld: losses.old,
      lostRecent: losses.recent,
      atRiskMs: Math.min(losses.atRiskMs, Number.MAX_SAFE_INTEGER),
      switchCost: report.switchCost ?? null,
      load,
      notJudged: [...task.before, ...(report.notJudged ?? [])],
      wrong,
    };
    await this.#report(stage, verdict);
    if (stopped !== null || overlaps.length > 0) await this.close();
    return verdict;
  }

  /** A cluster that runs and has settled. */
  async #ready(task: Task, one: Case): Promise<Stage> {
    const fit = task.reuse && one.fleet === undefined && this.#rounds < MOST_ROUNDS;
    if (this.#stage !== null && fit) {
      this.#rounds += 1;
      return this.#stage;
    }
    await this.close();
    this.#rounds = 1;
    this.#fleets += 1;
    const { run, lower, options } = this.#plan;
    const name = `c${this.#cluster}-${this.#fleets}`;
    const folder = join(this.#plan.folder, name);
    mkdirSync(folder);
    const { machines: count, witness, withoutGate } = options;
    const shape: FleetShape = { count, witness, withoutGate, settings: {}, ...one.fleet };
    this.#stage = this.#setStage({ run, name, folder, lower, shape }, this.#signal, this.tell);
    return this.#stage;
  }

  async #outcome(stage: Stage, one: Case): Promise<Outcome> {
    try {
      if (!stage.begun) await stage.start();
      const report = await one.play(stage);
      await stage.losses(report.lossesAtMs ?? Number.POSITIVE_INFINITY, report.excuse);
      return { report, stopped: null };
    } catch (error) {
      this.#signal.throwIfAborted();
      return { report: NOTHING_SAID, stopped: worded(error) };
    }
  }

  /** Says what came of it, and keeps the machines' words of a case that went wrong. */
  async #report(stage: Stage, verdict: Verdict): Promise<void> {
    const { label, seconds, lostRecent, notJudged, wrong } = verdict;
    for (const sentence of notJudged) this.tell(`not judged: ${sentence}`);
    for (const sentence of wrong) this.tell(`WRONG: ${sentence}`);
    if (wrong.length === 0) {
      const lost = lostRecent === 0 ? '' : `, ${lostRecent} writes of the last moment lost`;
      this.tell(`ok after ${seconds.toFixed(0)} s${lost}`);
      return;
    }
    const folder = join(this.#plan.failures, label);
    mkdirSync(folder, { recursive: true });
    keepObserver(stage, folder);
    for (const machine of stage.fleet.machines) {
      if (existsSync(machine.console)) cpSync(machine.console, join(folder, `${machine.name}.log`));
      // The console knows no times; the journal ends with the power.
      const journal = machine.on && !machine.frozen ? await journalOf(machine) : '';
      if (journal !== '') writeFileSync(join(folder, `${machine.name}.journal`), journal);
    }
    this.tell(`the machines' words: ${folder}`);
  }

  /**
   * The last cluster's end, and a verdict about two servers that no other verdict has told of; null
   * when there were none.
   */
  async end(): Promise<Verdict | null> {
    await this.close();
    const overlaps = this.#untold.splice(0);
    if (overlaps.length === 0) return null;
    const wrong = overlaps.map(twoServers);
    for (const sentence of wrong) this.tell(`WRONG: ${sentence}`);
    const name = `end-of-cluster-${this.#cluster}`;
    return { ...NOTHING_PLAYED, name, label: name, twoServers: overlaps.length, wrong };
  }

  /** Ends the cluster that is there. What was seen there and not told stays for a verdict. */
  async close(): Promise<void> {
    const stage = this.#stage;
    this.#stage = null;
    if (stage === null) return;
    await stage.close();
    this.#untold.push(...stage.newOverlaps());
    if (this.#plan.options.keep) keepObserver(stage, stage.fleet.folder);
    else rmSync(stage.fleet.folder, { recursive: true, force: true });
  }
}
