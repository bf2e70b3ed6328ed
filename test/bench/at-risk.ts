/**
 * For how long an acknowledged write was at risk: from the client's answer until a copy elsewhere
 * has it. Pure; one clock, because everything in a process lab runs on one machine.
 *
 * A copy is a list of milestones: "from this moment on everything up to this revision is safe".
 * A write that was safe before its answer came was never at risk: 0, not a negative time.
 */

/** An acknowledged write with the revision that it got. */
export interface Write {
  readonly revision: number;
  /** Wall clock of the answer, ms. */
  readonly atMs: number;
}

export interface Milestone {
  readonly revision: number;
  readonly atMs: number;
}

export interface Risks {
  /** One time per write that became safe, ms, in the order of `writes`. */
  readonly times: readonly number[];
  /** Writes that no milestone reaches. */
  readonly uncovered: number;
}

/** Milestones by time, only those that go beyond all earlier ones. Order does not matter. */
export const rising = (milestones: readonly Milestone[]): Milestone[] => {
  let highest = Number.NEGATIVE_INFINITY;
  return milestones
    .toSorted((one, other) => one.atMs - other.atMs)
    .filter(({ revision }) => {
      const goesBeyond = revision > highest;
      if (goesBeyond) highest = revision;
      return goesBeyond;
    });
};

/** The first of `steps` (rising) that reaches `revision`, by halving. */
const firstReaching = (steps: readonly Milestone[], revision: number): Milestone | null => {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((steps[middle]?.revision ?? revision) >= revision) high = middle;
    else low = middle + 1;
  }
  return steps[low] ?? null;
};

export function risksOf(writes: readonly Write[], milestones: readonly Milestone[]): Risks {
  const steps = rising(milestones);
  const times: number[] = [];
  for (const { revision, atMs } of writes) {
    const safe = firstReaching(steps, revision);
    if (safe !== null) times.push(Math.max(0, safe.atMs - atMs));
  }
  return { times, uncovered: writes.length - times.length };
}
