/** The command line of the demo. */
import { FEWEST_NODES, MOST_NODES } from './cluster.ts';
import { optionWords } from './option-words.ts';

export interface DemoOptions {
  readonly nodes: number;
  readonly kills: number;
  readonly k3s: string;
  readonly rate: number;
  readonly json: string | undefined;
  readonly keep: boolean;
  /** As typed, for the result. */
  readonly command: string;
}

export const DEMO_USAGE = `usage: npm run demo -- [options]
  --nodes N    nodes of the cluster, ${FEWEST_NODES} to ${MOST_NODES} (3)
  --kills N    how often the master's node is killed (1)
  --k3s WHICH  embedded, real (needs Go once), or the path of a k3s (BATON_K3S, else embedded)
  --rate N     writes per second (25)
  --json FILE  writes the figures there
  --keep       leaves folders and logs behind
Exit status: 0 nothing lost and never two servers (missed bars of speed and size are told, and
'ok' in the file is false), 1 not so, 2 the call or the machine is wrong.`;

const { parse, wholeNumber } = optionWords(DEMO_USAGE);

/** Null when help was asked for. Errors: `settings-invalid` with the usage. */
export const readDemoOptions = (
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): DemoOptions | null => {
  const { values } = parse({
    args: [...args],
    options: {
      nodes: { type: 'string', default: '3' },
      kills: { type: 'string', default: '1' },
      k3s: { type: 'string', default: environment.BATON_K3S || 'embedded' },
      rate: { type: 'string', default: '25' },
      json: { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return null;
  return {
    nodes: wholeNumber('nodes', values.nodes, FEWEST_NODES, MOST_NODES),
    kills: wholeNumber('kills', values.kills, 1, 1000),
    rate: wholeNumber('rate', values.rate, 1, 1000),
    k3s: values.k3s,
    json: values.json,
    keep: values.keep,
    command: ['demo', ...args].join(' '),
  };
};
