/**
 * What is wrong with a settings file, for a person: file, line, key and a sentence.
 */

export interface SettingsProblem {
  readonly file: string;
  /** Counted from 1; the line of the nearest thing that is there when a key is missing. */
  readonly line: number;
  /** Dotted path, list entries by position from 0: `cluster.nodes[2].address`. Empty: the file. */
  readonly key: string;
  /** What was broken: `unknown-key`, `wrong-type`, … or the name of a rule between settings. */
  readonly rule: string;
  /** What it is, what it must be, what to do; for a rule between settings the sum that fails. */
  readonly text: string;
}

/** One line: `/etc/baton/agent.yaml:12: lease.renew_interval_ms: …`. */
export const problemLine = (problem: SettingsProblem): string => {
  const place = `${problem.file}:${problem.line}`;
  return problem.key === ''
    ? `${place}: ${problem.text}`
    : `${place}: ${problem.key}: ${problem.text}`;
};

/** More are dropped: a file that is wrong from end to end is told by its beginning. */
export const MOST_PROBLEMS = 50;

/** In the order of lines, at most MOST_PROBLEMS. */
export const inOrder = (problems: readonly SettingsProblem[]): readonly SettingsProblem[] =>
  [...problems].sort((one, other) => one.line - other.line).slice(0, MOST_PROBLEMS);
