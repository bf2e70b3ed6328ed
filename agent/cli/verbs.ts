/**
 * The verbs of `baton` and their options: one table from which parsing, help and the "did you
 * mean" of errors are made. Pure.
 */

export interface Option {
  readonly name: string;
  readonly type: 'boolean' | 'string';
  /** How the value is written in the help; only for type `string`. */
  readonly value?: string;
  readonly help: string;
}

export interface Verb {
  readonly name: VerbName;
  /** `[node]` where one positional argument is allowed, else empty. */
  readonly positional: '' | '[node]';
  readonly summary: string;
  /** What the person should know before using it; one paragraph each. */
  readonly details: readonly string[];
  readonly options: readonly Option[];
}

export type VerbName =
  | 'status'
  | 'why'
  | 'mqtt'
  | 'keygen'
  | 'move'
  | 'promote'
  | 'found'
  | 'leave'
  | 'completion';

/** Options that every verb takes. */
export const commonOptions: readonly Option[] = [
  {
    name: 'socket',
    type: 'string',
    value: 'PATH',
    help: 'socket of the agent (BATON_SOCKET; else by the settings)',
  },
  {
    name: 'settings',
    type: 'string',
    value: 'FILE',
    help: 'its settings (BATON_SETTINGS; else /etc/baton/agent.yaml)',
  },
  { name: 'help', type: 'boolean', help: 'this text' },
];

const json: Option = { name: 'json', type: 'boolean', help: 'one JSON object, for programs' };
const yes: Option = { name: 'yes', type: 'boolean', help: 'do not ask' };

export const verbs: readonly Verb[] = [
  {
    name: 'status',
    positional: '',
    summary: 'the cluster at a glance: master, lease, replicas, findings',
    details: [
      'A view from this node: a node that is "unheard" may be dead or only out of ' +
        'reach of here. The lease itself needs no such view.',
      'The "behind" of a receiver is what would be lost if the master died now: revisions it ' +
        'has not acknowledged, and for how long.',
    ],
    options: [json, { name: 'watch', type: 'boolean', help: 'again every second, until Ctrl-C' }],
  },
  {
    name: 'why',
    positional: '',
    summary: 'how the master came to be, and who would be next',
    details: [
      'The chain of decisions that led to the present master, as it tells them itself, the ' +
        'steps of its promotion, and the candidates with their reasons.',
    ],
    options: [json, { name: 'all', type: 'boolean', help: 'also what every other node decided' }],
  },
  {
    name: 'mqtt',
    positional: '',
    summary: 'the mosquitto_sub line to watch everything that happens',
    details: [
      'Without --remote: for this machine, read-only and without a key. With it: for any ' +
        'other machine; the line then holds the broker key of this node, so treat it so.',
    ],
    options: [{ name: 'remote', type: 'boolean', help: 'from another machine, with the key' }],
  },
  {
    name: 'keygen',
    positional: '',
    summary: 'a new cluster key, or the keys of a node that is not eligible',
    details: [
      'The cluster key goes to every eligible node and to nobody else. A node that may ' +
        'never be master gets a bundle of its own instead (--for). Never overwrites a file.',
    ],
    options: [
      { name: 'out', type: 'string', value: 'FILE', help: 'where to write (- is the output)' },
      { name: 'for', type: 'string', value: 'NODE', help: 'the bundle of this node only' },
      {
        name: 'key',
        type: 'string',
        value: 'FILE',
        help: 'the cluster key a bundle is made from (else from the settings)',
      },
    ],
  },
  {
    name: 'move',
    positional: '[node]',
    summary: 'move the master to another node, losing nothing',
    details: [
      'The server stops, the last revisions are sent and acknowledged, the lease is handed ' +
        'over and the other node starts. Without a node the best replica is taken. Run it on ' +
        'the master.',
    ],
    options: [],
  },
  {
    name: 'promote',
    positional: '',
    summary: 'with two voters: become master, as the other is dead',
    details: [
      'Two voters never promote one of them alone: each could be the one that was cut off, ' +
        'and then two servers would answer. You are asked to vouch for what this machine ' +
        'cannot know: that the other one has no power and will not come back by itself. ' +
        'If it still runs, both serve, and the writes of one of them are lost.',
    ],
    options: [
      {
        name: 'i-know-the-other-is-dead',
        type: 'boolean',
        help: 'you have looked: the other node is switched off',
      },
      yes,
    ],
  },
  {
    name: 'found',
    positional: '',
    summary: 'begin a new cluster, or an empty one where all rows are lost',
    details: [
      'At the first start of a cluster, when not every configured voter is there: this node ' +
        'then founds it without them. Nodes that have run before remember their cluster and ' +
        'teach each other; start those instead.',
      'Later, when this node holds no rows and those that may hold them do not answer ("baton ' +
        'status" says so): this node may then begin an EMPTY cluster. Every object of the old ' +
        'one is gone; a node that comes back with rows is cut back to the empty cluster, its ' +
        'rows are saved in a file and never merged. Start that node, or restore a backup, if ' +
        'there is any way to.',
    ],
    options: [yes],
  },
  {
    name: 'leave',
    positional: '',
    summary: 'take this node out of the voters before a long absence',
    details: ['It is taken back when it is started again. Its replica is kept.'],
    options: [],
  },
  {
    name: 'completion',
    positional: '',
    summary: 'a completion script for bash',
    details: [
      'For this shell: source <(baton completion). For all of them: baton completion > ' +
        '/etc/bash_completion.d/baton.',
    ],
    options: [],
  },
];

export const findVerb = (name: string): Verb | undefined =>
  verbs.find((verb) => verb.name === name);
