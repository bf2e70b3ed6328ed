/** The command line of the benches. */
import { FEWEST_NODES, MOST_NODES } from '../lab/cluster.ts';
import { optionWords } from '../lab/option-words.ts';
import type { Figure } from '../lab/result-file.ts';

const BENCHES = ['failover', 'replication'] as const;
export type Bench = (typeof BENCHES)[number];

export interface BenchOptions {
  readonly bench: Bench;
  readonly nodes: number;
  /** Failover: how often the master's node dies. */
  readonly kills: number;
  /** Replication: how long is measured. */
  readonly seconds: number;
  readonly k3s: string;
  /** Writes per second. */
  readonly rate: number;
  readonly json: string | undefined;
  readonly keep: boolean;
  /** As typed, for the result. */
  readonly command: string;
}

export const BENCH_USAGE = `usage: npm run bench -- failover|replication [options]
  failover     the master's node is killed at random moments; how long is the API away?
  replication  steady writes; how long is each at risk, with baton and with Litestream?
  --kills N    failover: number of kills (10)
  --seconds N  replication: seconds that are measured (60)
  --nodes N    nodes of the cluster, ${FEWEST_NODES} to ${MOST_NODES} (3)
  --k3s WHICH  embedded, real (needs Go once), or the path of a k3s (BATON_K3S, else real)
  --rate N     writes per second (50)
  --json FILE  writes the figures there
  --keep       leaves folders and logs behind
Exit status: 0 all bars reached, 1 not, 2 the call or the machine is wrong.`;

const { parse, wholeNumber, wrong } = optionWords(BENCH_USAGE);

/** Null when help was asked for. Errors: `settings-invalid` with the usage. */
export function readBenchOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): BenchOptions | null {
  const { values, positionals } = parse({
    args: [...args],
    allowPositionals: true,
    options: {
      nodes: { type: 'string', default: '3' },
      kills: { type: 'string', default: '10' },
      seconds: { type: 'string', default: '60' },
      k3s: { type: 'string', default: environment.BATON_K3S || 'real' },
      rate: { type: 'string', default: '50' },
      json: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return null;
  const bench = BENCHES.find((one) => one === positionals[0]);
  if (bench === undefined || positionals.length > 1) {
    const given = positionals.length === 0 ? 'no bench was named' : `"${positionals.join(' ')}"`;
    throw wrong(`${given}: say failover or replication`);
  }
  return {
    bench,
    nodes: wholeNumber('nodes', values.nodes, FEWEST_NODES, MOST_NODES),
    kills: wholeNumber('kills', values.kills, 1, 1000),
    // Litestream removes its first-level files after 5 minutes; they are what is measured.
    seconds: wholeNumber('seconds', values.seconds, 5, 240),
    rate: wholeNumber('rate', values.rate, 1, 1000),
    k3s: values.k3s,
    json: values.json,
    keep: values.keep,
    command: ['bench', ...args].join(' '),
  };
}

/** The rate that the bars of the lag were set for. */
const BAR_RATE = 50;

/**
 * The figures without the bars that were set for other conditions: gap and lag are those of a real
 * control plane, the lag at 50 writes per second. What must hold anywhere keeps its bar.
 */
export const underItsBars = (
  figures: readonly Figure[],
  { k3s, rate }: Pick<BenchOptions, 'k3s' | 'rate'>,
): Figure[] =>
  figures.map((one) => {
    const isTimed = /^(?:api_gap|lag)_/.test(one.name);
    const isLag = one.name.startsWith('lag_');
    const differs = (isTimed && k3s === 'embedded') || (isLag && rate !== BAR_RATE);
    return differs ? { ...one, bar: null } : one;
  });
