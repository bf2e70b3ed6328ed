/**
 * The hunt for mutants: each is run on schedule after schedule until a checker catches it.
 *
 * A mutant that is not caught within its schedules has survived: a hole in the checkers or in the
 * generators of schedules, and a failure of the hunt. One that throws proves nothing: its text no
 * longer fits the code.
 */
import type { FailedSeed } from '../batch.ts';
import { type Crew, hireCrew } from '../crew.ts';
import type { Mutant } from './edits.ts';

export interface Hunted {
  readonly mutant: Mutant;
  /** Null: it survived. */
  readonly caught: FailedSeed | null;
  readonly schedules: number;
}

const batchSize = 500;

/** One mutant on its own thread; `first` is the first seed. */
async function hunt(mutant: Mutant, first: number, most: number): Promise<Hunted> {
  const crew: Crew = hireCrew(1, mutant.edits);
  const wishes = { nodes: null, profile: null, ...mutant.wishes };
  let schedules = 0;
  try {
    while (schedules < most) {
      const count = Math.min(batchSize, most - schedules);
      const batch = { first: first + schedules, count, wishes, stopAtFirst: true };
      const report = await crew.run(batch);
      schedules += report.schedules;
      const caught = report.failures.find((failure) => failure.class === 'inside');
      if (caught?.rule === 'core-threw') throw new Error(`${mutant.name} does not run`);
      if (caught !== undefined) return { mutant, caught, schedules };
    }
    return { mutant, caught: null, schedules };
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
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const hunted = await hunt(next, of.first, of.most);
      done.push(hunted);
      of.tell(hunted);
    }
  };
  await Promise.all(Array.from({ length: of.threads }, work));
  return done;
}
