/**
 * What is played, and in which order: handed from main.ts to inside.ts, and from there one by one
 * to the clusters. Plain data, because it crosses processes.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { Case } from './case.ts';
import { labProblem } from './host.ts';
import type { MachineLabOptions } from './options.ts';
import { seededChoice } from './rounds.ts';
import type { Verdict } from './verdict.ts';

export interface Plan {
  readonly run: string;
  readonly folder: string;
  readonly lower: readonly string[];
  readonly options: MachineLabOptions;
  /** Wall clock of the beginning, ms: the story's zero. */
  readonly beganMs: number;
  /** One line of JSON per verdict, in the order of ending. */
  readonly verdicts: string;
  /** Consoles of what failed. */
  readonly failures: string;
}

/** One case to play. */
export interface Task {
  readonly name: string;
  /** Case or round, for people and folders. */
  readonly label: string;
  /** On a cluster that has played before; otherwise on one of its own. */
  readonly reuse: boolean;
  /** What went wrong in a first try that the host was too busy for; empty before. */
  readonly before: readonly string[];
}

/** From inside.ts to a cluster's process; null: no more. */
export type ToCluster = { readonly task: Task | null };
/** And back: what came of the task, null before the first. `last`: of none, after the last. */
export type FromCluster = { readonly verdict: Verdict | null; readonly last?: true };

/** The verdicts of a file, in its order; none when it is not there. */
export const verdictsIn = (file: string): Verdict[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Verdict)
    : [];

/** Longest cases first would end sooner side by side; the order of the list reads better. */
const caseTasks = (names: readonly string[]): Task[] =>
  names.map((name) => ({ name, label: name, reuse: false, before: [] }));

/**
 * Everything that is asked for and not played yet. A series draws the same rounds from the same
 * seed, and leaves out those that `played` tells of. Errors: `process-failed` when they are of
 * another series.
 */
export const tasksOf = (
  { cases, rounds, seed }: Pick<MachineLabOptions, 'cases' | 'rounds' | 'seed'>,
  all: readonly Pick<Case, 'name' | 'random'>[],
  played: readonly Pick<Verdict, 'label'>[],
): Task[] => {
  const choose = seededChoice(
    all.filter(({ random }) => random),
    seed,
  );
  const drawn = Array.from({ length: rounds }, (_, index) => {
    const { name } = choose();
    return { name, label: `round-${index + 1}-${name}`, reuse: true, before: [] };
  });
  const done = new Set<string>();
  for (const { label } of played) {
    const number = Number(/^round-(\d+)-/.exec(label)?.[1] ?? 0);
    const expected = drawn[number - 1]?.label ?? label;
    if (label !== expected) {
      throw labProblem(`${label} is of another series: --seed ${seed} draws ${expected}`);
    }
    done.add(label);
  }
  return [...caseTasks(cases), ...drawn.filter(({ label }) => !done.has(label))];
};
