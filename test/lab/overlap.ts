/**
 * Were there ever two servers at once? Judged from what was answered, never from what the daemons
 * say of themselves.
 *
 * Every answer is a node and a moment. Answers of one node that follow each other within `gap` form
 * one stretch of serving; probes ask every node each 50 ms or oftener, so a server that lives is
 * never silent for long. Two stretches of different nodes that touch are an overlap. A single late
 * answer of an old server inside the other's stretch is enough (a thawed server has been seen to
 * take a write 14 ms after the thaw), and one answer of each at the same moment is too.
 *
 * It does not see a server that answers nobody who writes a line, and it trusts one wall clock:
 * all servers of a process lab run on one machine.
 */

/** One answer that left a server. */
export interface Answer {
  readonly node: string;
  /** Wall clock, microseconds. */
  readonly atUs: number;
}

/** One stretch of serving, both ends included. */
export interface Stretch {
  readonly node: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly answers: number;
}

export interface Overlap {
  readonly first: Stretch;
  readonly second: Stretch;
  /** The time both were seen to serve. */
  readonly fromUs: number;
  readonly toUs: number;
}

/** Longest silence inside one stretch; the shortest way from one server to the next is longer. */
const STRETCH_GAP_US = 1_500_000;

/** The stretches of every node, by their start. Order of `answers` does not matter. */
export const stretches = (answers: readonly Answer[], gapUs = STRETCH_GAP_US): Stretch[] => {
  const open = new Map<string, Stretch>();
  const all: Stretch[] = [];
  for (const { node, atUs } of answers.toSorted((a, b) => a.atUs - b.atUs)) {
    const current = open.get(node);
    if (current !== undefined && atUs - current.toUs <= gapUs) {
      open.set(node, { ...current, toUs: atUs, answers: current.answers + 1 });
      continue;
    }
    if (current !== undefined) all.push(current);
    open.set(node, { node, fromUs: atUs, toUs: atUs, answers: 1 });
  }
  return [...all, ...open.values()].sort((a, b) => a.fromUs - b.fromUs);
};

/** Every pair of stretches of different nodes that share a moment. */
export const findOverlaps = (answers: readonly Answer[], gapUs = STRETCH_GAP_US): Overlap[] => {
  const all = stretches(answers, gapUs);
  const found: Overlap[] = [];
  for (const [index, first] of all.entries()) {
    for (const second of all.slice(index + 1)) {
      if (second.fromUs > first.toUs) break; // Sorted by start: nothing later can touch `first`.
      if (second.node === first.node) continue;
      found.push({ first, second, fromUs: second.fromUs, toUs: Math.min(first.toUs, second.toUs) });
    }
  }
  return found;
};

/** One line for people. */
export const describeOverlap = ({ first, second, fromUs, toUs }: Overlap): string => {
  const at = new Date(fromUs / 1000).toISOString().slice(11, 23);
  const length = ((toUs - fromUs) / 1000).toFixed(1);
  return `${first.node} and ${second.node} both answered at ${at} for ${length} ms`;
};
