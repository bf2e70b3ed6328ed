/**
 * The hunt for mutants: each is run on schedule after schedule until a checker catches it.
 *
 * A mutant that is not caught within its schedules has survived: a hole in the checkers or in the
 * generators of schedules, and a failure of the hunt. One that throws proves nothing: its text no
 * longer fits the code.
 *
 * What catches a mutant is run once more on the shipped core, which must keep that rule: a judge
 * that calls a false alarm would catch everything.
 */
import type { BatchReport, FailedSeed } from '../batch.ts';
import { type Crew, hireCrew } from '../crew.ts';
import type { Mutant } from './edits.ts';

export interface Hunted {
  readonly mutant: Mutant;
  /** Null: it survived. */
  readonly caught: FailedSeed | null;
  readonly schedules: number;
  /** What the shipped core breaks in the schedule of the catch: then nothing was proved. */
  readonly falseAlarm: FailedSeed | null;
}

export const isProven = ({ caught, falseAlarm }: Hunted): boolean =>
  caught !== null && falseAlarm === null;

const batchSize = 500;

const firstInside = ({ failures }: BatchReport): FailedSeed | null =>
  failures.find((failure) => failure.class === 'inside') ?? null;

/** One mutant on its own thread; `first` is the first seed, `shipped` runs the shipped core. */
export async function hunt(
  mutant: Mutant,
  { first, most, shipped }: { first: number; most: number; shipped: Crew },
): Promise<Hunted> {
  const crew: Crew = hireCrew(1, mutant.edits);
  const wishes = { nodes: null, profile: null, ...mutant.wishes };
  let schedules = 0;
  try {
    while (schedules < most) {
      const count = Math.min(batchSize, most - schedules);
      const batch = { first: first + schedules, count, wishes, stopAtFirst: true };
      const report = await crew.run(batch);
      schedules += report.schedules;
      const caught = firstInside(report);
      if (caught?.rule === 'core-threw') throw new Error(`${mutant.name} does not run`);
      if (caught === null) continue;
      const again = await shipped.run({ ...batch, first: caught.seed, count: 1 });
      return { mutant, caught, schedules, falseAlarm: firstInside(again) };
    }
    return { mutant, caught: null, schedules, falseAlarm: null };
  } finally {
    await crew.close();
  }
}

/** All of them, `threads` at a time; tells each as soon as it is done. */
export async function huntAll(
  mutants: readonly Mutant[],
  of: {
    readonly first: number;
    readonly most: number;
    readonly threads: number;
    readonly tell: (hunted: Hunted) => void;
  },
): Promise<readonly Hunted[]> {
  const waiting = [...mutants];
  const done: Hunted[] = [];
  const shipped = hireCrew(1);
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const hunted = await hunt(next, { ...of, shipped });
      done.push(hunted);
      of.tell(hunted);
    }
  };
  try {
    await Promise.all(Array.from({ length: of.threads }, work));
  } finally {
    await shipped.close();
  }
  return done;
}
