/** The command line of the machine lab. */
import { optionWords } from '../option-words.ts';
import { cases } from './cases.ts';

export interface MachineLabOptions {
  /** Names of cases, each played once on a cluster of its own. */
  readonly cases: readonly string[];
  /** Random cases after that, one after the other on one cluster. */
  readonly rounds: number;
  readonly seed: number;
  /** So many clusters side by side. */
  readonly clusters: number;
  readonly machines: number;
  readonly witness: boolean;
  /** Without the kernel's gate, which the case `hang` must then find out. */
  readonly withoutGate: boolean;
  /** `embedded`, `real` or a path. */
  readonly k3s: string;
  readonly json: string | undefined;
  /** File of verdicts to go on with; made when it is not there. */
  readonly resume: string | undefined;
  readonly keep: boolean;
  /** As typed, for the result. */
  readonly command: string;
}

const MACHINE_LAB_USAGE = `usage: npm run lab -- [options]   (root)
  --case NAME  one case, may be given again; default: every case once
  --rounds N   then N random cases on clusters that go on (0)
  --clusters N   clusters side by side, 1 to 6 (1)
  --seed N     which random cases (printed when not given)
  --resume FILE  keeps what came of each round there, and goes on with those that are missing
  --count N    machines, 3 to 5 (3)
  --witness    the last machine is a voter that never becomes master
  --without-gate  no data-path gate: then hang must fail
  --k3s WHICH  embedded, real (needs Go once), or the path of a k3s (BATON_K3S, else embedded)
  --json FILE  writes the figures there
  --keep       keeps disks and logs
  --list       names the cases
Exit status: 0 all bars reached, 1 not, 2 the call or the machine is wrong.`;

const { parse, wholeNumber, wrong } = optionWords(MACHINE_LAB_USAGE);

const flags = {
  // There is no other lab: taken, so that a call which names this one is none that is wrong.
  machines: { type: 'boolean' },
  case: { type: 'string', multiple: true },
  rounds: { type: 'string', default: '0' },
  seed: { type: 'string' },
  resume: { type: 'string' },
  clusters: { type: 'string', default: '1' },
  count: { type: 'string', default: '3' },
  witness: { type: 'boolean', default: false },
  'without-gate': { type: 'boolean', default: false },
  k3s: { type: 'string' },
  json: { type: 'string' },
  keep: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Which cases were asked for. With rounds alone, no others. */
const chosen = (names: readonly string[] | undefined, rounds: number): readonly string[] => {
  const all = cases.map(({ name }) => name);
  const unknown = names?.find((name) => !all.includes(name));
  if (unknown !== undefined) throw wrong(`there is no case "${unknown}": ${all.join(', ')}`);
  return names ?? (rounds > 0 ? [] : all);
};

const caseList = (): string =>
  cases.map(({ name, what }) => `${name.padEnd(16)}${what}`).join('\n');

/** A text when only words were asked for. Errors: `settings-invalid` with the usage. */
export const readMachineLabOptions = (
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  anySeed: number,
): MachineLabOptions | string => {
  const { values } = parse({ args: [...args], options: flags });
  if (values.help) return MACHINE_LAB_USAGE;
  if (values.list) return caseList();
  const rounds = wholeNumber('rounds', values.rounds, 0, 100_000);
  if (values.resume !== undefined && values.seed === undefined) {
    throw wrong('--resume needs the --seed that the series began with');
  }
  return {
    cases: chosen(values.case, rounds),
    rounds,
    seed: wholeNumber('seed', values.seed ?? String(anySeed), 0, 0xffffffff),
    clusters: wholeNumber('clusters', values.clusters, 1, 6),
    machines: wholeNumber('count', values.count, 3, 5),
    witness: values.witness,
    withoutGate: values['without-gate'],
    k3s: values.k3s ?? (environment.BATON_K3S || 'embedded'),
    json: values.json,
    resume: values.resume,
    keep: values.keep,
    command: ['lab', ...args].join(' '),
  };
};
