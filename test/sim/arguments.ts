/** What the simulator's command line says; wrong words are refused with the list of right ones. */
import { parseArgs } from 'node:util';
import { defaultThreads } from './crew.ts';
import { mutants } from './mutants/table.ts';
import type { ProfileName } from './plan.ts';
import { type PlotName, plotNames, plots } from './plots/table.ts';
import { profiles } from './profiles.ts';

export interface SimArguments {
  /** Null: a fresh one, which is printed. */
  readonly seed: number | null;
  /** Null: as many as the mode has by default. */
  readonly schedules: number | null;
  readonly threads: number;
  readonly nodes: number | null;
  readonly profile: ProfileName | null;
  /** With the profile `aimed`: one kind of aimed schedule only. */
  readonly plot: PlotName | undefined;
  readonly json: string | null;
  /** Seed to tell in full instead of running many. */
  readonly replay: number | null;
  /** With `replay`: leave out the faults that the violation does not need. */
  readonly shrink: boolean;
  readonly mutants: boolean;
  /** Only mutants whose name contains this; with `replay`: the mutant to replay. */
  readonly only: string | null;
  readonly table: boolean;
}

export const usage = `usage: npm run sim -- [--seed N] [--schedules N] [--json FILE] [--threads N]
                     [--nodes N] [--profile NAME] [--plot NAME] [--table]
       npm run sim -- --replay SEED [--shrink] [--only MUTANT] [--nodes N] [--profile NAME]
                     [--plot NAME]
       npm run sim -- --mutants [--only TEXT] [--seed N] [--schedules N] [--json FILE]`;

const options = {
  seed: { type: 'string' },
  schedules: { type: 'string' },
  threads: { type: 'string' },
  nodes: { type: 'string' },
  profile: { type: 'string' },
  plot: { type: 'string' },
  json: { type: 'string' },
  replay: { type: 'string' },
  only: { type: 'string' },
  shrink: { type: 'boolean' },
  mutants: { type: 'boolean' },
  table: { type: 'boolean' },
} as const;

type Answer =
  | { readonly ok: true; readonly given: SimArguments }
  | { readonly ok: false; readonly text: string };

export function readArguments(words: readonly string[]): Answer {
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    values = parseArgs({ args: [...words], options, strict: true }).values;
  } catch (error) {
    return { ok: false, text: error instanceof Error ? error.message : String(error) };
  }
  const wrong: string[] = [];
  const whole = (name: 'seed' | 'schedules' | 'threads' | 'nodes' | 'replay'): number | null => {
    const text = values[name];
    if (text === undefined) return null;
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    wrong.push(`--${name} ${text}: a whole number from 0 on is needed`);
    return null;
  };
  const nodes = whole('nodes');
  if (nodes !== null && (nodes < 1 || nodes > 9)) wrong.push(`--nodes ${nodes}: 1 to 9`);
  const profile = values.profile ?? null;
  if (profile !== null && !(profile in profiles)) {
    wrong.push(`--profile ${profile}: one of ${Object.keys(profiles).join(', ')}`);
  }
  const { plot } = values;
  if (plot !== undefined && !(plot in plots)) {
    wrong.push(`--plot ${plot}: one of ${plotNames.join(', ')}`);
  }
  wrong.push(...wrongMutant(values.only, values.mutants === true, values.replay !== undefined));
  const given: SimArguments = {
    seed: whole('seed'),
    schedules: whole('schedules'),
    threads: Math.max(1, whole('threads') ?? defaultThreads()),
    nodes,
    profile: profile as ProfileName | null,
    plot: plot as PlotName | undefined,
    json: values.json ?? null,
    replay: whole('replay'),
    shrink: values.shrink === true,
    mutants: values.mutants === true,
    only: values.only ?? null,
    table: values.table === true,
  };
  return wrong.length > 0 ? { ok: false, text: wrong.join('\n') } : { ok: true, given };
}

/** What is wrong with `only`: several are hunted by a part of the name, one is replayed by it. */
function wrongMutant(only: string | undefined, hunts: boolean, replays: boolean): string[] {
  if (only === undefined) return [];
  if (!hunts && !replays) return [`--only ${only}: goes with --mutants or --replay`];
  const isThere = hunts
    ? mutants.some(({ name }) => name.includes(only))
    : mutants.some(({ name }) => name === only);
  if (isThere) return [];
  const names = mutants.map(({ name }) => name).join(', ');
  return [`--only ${only}: ${hunts ? 'part of one of' : 'one of'} ${names}`];
}

/** The words that replay one seed of a run with these. */
export function replayWords({ nodes, profile, plot }: SimArguments, seed: number): string {
  const words = ['--replay', String(seed), '--shrink'];
  if (profile !== null) words.push('--profile', profile);
  if (nodes !== null) words.push('--nodes', String(nodes));
  if (plot !== undefined) words.push('--plot', plot);
  return words.join(' ');
}
