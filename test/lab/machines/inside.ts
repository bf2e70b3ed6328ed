/**
 * The lab itself, inside its own network, mount and process namespaces: plays the cases and writes
 * what came of each. Started by main.ts with the path of a plan; when this process ends, in
 * whatever way, the kernel ends every machine and every mount with it.
 */
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describeOverlap } from '../overlap.ts';
import type { Case, CaseReport } from './case.ts';
import { cases } from './cases.ts';
import { makeFleet } from './fleet.ts';
import { run } from './host.ts';
import { network } from './network.ts';
import type { MachineLabOptions } from './options.ts';
import { seededChoice } from './rounds.ts';
import { Stage } from './stage.ts';
import type { Verdict } from './verdict.ts';

export interface Plan {
  readonly run: string;
  readonly folder: string;
  readonly lower: readonly string[];
  readonly options: MachineLabOptions;
  /** One line of JSON per verdict, in the order of playing. */
  readonly verdicts: string;
  /** Consoles of what failed. */
  readonly failures: string;
}

/** How many rounds a file of verdicts tells of. */
const roundsIn = (file: string): number =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"label":"round-')).length
    : 0;

const NO_LOSSES = { old: 0, recent: 0, atRiskMs: 0 };

class Player {
  readonly #plan: Plan;
  readonly #signal: AbortSignal;
  readonly #began = performance.now();
  #fleets = 0;

  constructor(plan: Plan, signal: AbortSignal) {
    this.#plan = plan;
    this.#signal = signal;
  }

  readonly tell = (line: string): void => {
    const seconds = ((performance.now() - this.#began) / 1000).toFixed(1);
    console.log(`${seconds.padStart(7)} s  ${line}`);
  };

  /** A cluster of its own for what `play` does with it. */
  async withStage(play: (stage: Stage) => Promise<void>): Promise<void> {
    const { run: name, lower, options } = this.#plan;
    this.#fleets += 1;
    const folder = join(this.#plan.folder, `fleet${this.#fleets}`);
    mkdirSync(folder);
    const { machines: count, witness, withoutGate } = options;
    const of = { run: name, folder, lower, count, witness, withoutGate };
    const stage = new Stage(makeFleet(of), this.#signal, this.tell);
    try {
      await play(stage);
    } finally {
      await stage.close();
      if (!options.keep) rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Plays one case and judges it. False when the cluster is not fit for another. */
  async play(stage: Stage, one: Case, label: string): Promise<boolean> {
    this.tell(`== ${label}: ${one.what}`);
    const startMs = Date.now();
    const acknowledged = stage.workload.acknowledged.length;
    const overlapsBefore = stage.overlaps().length;
    let report: CaseReport = { gapMs: null, lossesAtMs: null, wrong: [] };
    const wrong: string[] = [];
    let losses = NO_LOSSES;
    let fit = true;
    try {
      report = await one.play(stage);
      losses = await stage.losses(report.lossesAtMs ?? Number.POSITIVE_INFINITY);
    } catch (error) {
      this.#signal.throwIfAborted();
      wrong.push(error instanceof Error ? error.message : String(error));
      fit = false;
    }
    if (report.memoryLost === true) {
      losses = { ...losses, old: 0, recent: losses.recent + losses.old };
    }
    const overlaps = stage.overlaps();
    wrong.push(...report.wrong);
    for (const overlap of overlaps.slice(overlapsBefore)) {
      wrong.push(`TWO SERVERS: ${describeOverlap(overlap)}`);
    }
    if (losses.old > 0) wrong.push(`${losses.old} acknowledged writes are gone`);
    const verdict: Verdict = {
      name: one.name,
      label,
      seconds: (Date.now() - startMs) / 1000,
      gapMs: report.gapMs,
      powerCut: report.powerCut === true,
      thawedAnswers: report.thawedAnswers ?? null,
      twoServers: overlaps.length - overlapsBefore,
      acknowledged: stage.workload.acknowledged.length - acknowledged,
      lostOld: losses.old,
      lostRecent: losses.recent,
      atRiskMs: losses.atRiskMs,
      wrong,
    };
    this.#keep(stage, verdict);
    return fit && overlaps.length === overlapsBefore;
  }

  #keep(stage: Stage, verdict: Verdict): void {
    appendFileSync(this.#plan.verdicts, `${JSON.stringify(verdict)}\n`);
    for (const sentence of verdict.wrong) this.tell(`WRONG: ${sentence}`);
    if (verdict.wrong.length === 0) {
      const { seconds, lostRecent } = verdict;
      const lost = lostRecent === 0 ? '' : `, ${lostRecent} writes of the last moment lost`;
      this.tell(`ok after ${seconds.toFixed(0)} s${lost}`);
      return;
    }
    const folder = join(this.#plan.failures, verdict.label);
    mkdirSync(folder, { recursive: true });
    for (const { name, console: log } of stage.fleet.machines) {
      if (existsSync(log)) cpSync(log, join(folder, `${name}.log`));
    }
    this.tell(`the machines' words: ${folder}`);
  }

  async casesOnce(): Promise<void> {
    for (const name of this.#plan.options.cases) {
      const one = cases.find((each) => each.name === name);
      if (one === undefined) continue;
      await this.withStage(async (stage) => {
        await stage.start();
        await this.play(stage, one, name);
      });
    }
  }

  async rounds(): Promise<void> {
    const { rounds, seed } = this.#plan.options;
    const choose = seededChoice(
      cases.filter(({ random }) => random),
      seed,
    );
    let done = roundsIn(this.#plan.verdicts);
    // A series that goes on draws what it has drawn before, and leaves it out.
    for (let drawn = 0; drawn < done; drawn++) choose();
    while (done < rounds) {
      // A cluster that a failed round has left unfit is replaced by a new one.
      await this.withStage(async (stage) => {
        await stage.start();
        for (let fit = true; fit && done < rounds; ) {
          const one = choose();
          done += 1;
          fit = await this.play(stage, one, `round-${done}-${one.name}`);
        }
      });
    }
  }
}

const main = async (): Promise<void> => {
  const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Plan;
  const control = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => control.abort(new Error(`ended by ${signal}`)));
  }
  network.make();
  // systemd-nspawn wants its locks in memory.
  mkdirSync('/run/systemd/nspawn', { recursive: true });
  run('mount', ['-t', 'tmpfs', 'tmpfs', '/run/systemd/nspawn']);
  const player = new Player(plan, control.signal);
  await player.casesOnce();
  await player.rounds();
};

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
