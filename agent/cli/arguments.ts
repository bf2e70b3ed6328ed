/**
 * The command line as data: verb, options, positional argument, or what is wrong with it. Pure.
 *
 * Strict: an unknown option is refused with the nearest known one, never ignored. Every outcome is
 * a returned union; wrong usage is the caller's exit status 2.
 */
import { parseArgs } from 'node:util';
import { commonOptions, findVerb, type Option, type Verb, verbs } from './verbs.ts';

export type Parsed =
  | { readonly kind: 'help'; readonly verb: Verb | null }
  | { readonly kind: 'version' }
  | { readonly kind: 'wrong'; readonly message: string; readonly verb: Verb | null }
  | {
      readonly kind: 'run';
      readonly verb: Verb;
      readonly node: string | null;
      readonly flags: ReadonlySet<string>;
      readonly values: ReadonlyMap<string, string>;
    };

/** RFC 1123 label, as node names are. */
const nodeName = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export const isNodeName = (text: string): boolean => nodeName.test(text);

/** Parses what follows `baton` on the command line. */
export function parseCommandLine(args: readonly string[]): Parsed {
  const [first, ...rest] = args;
  if (first === undefined) return { kind: 'help', verb: null };
  if (first === '--version' || first === '-V' || first === 'version') return { kind: 'version' };
  if (first === '--help' || first === '-h' || first === 'help') return helpOn(rest[0]);
  const verb = findVerb(first);
  if (verb === undefined) return unknownVerb(first);
  return parseVerb(verb, rest);
}

function helpOn(name: string | undefined): Parsed {
  if (name === undefined || name.startsWith('-')) return { kind: 'help', verb: null };
  const verb = findVerb(name);
  return verb === undefined ? unknownVerb(name) : { kind: 'help', verb };
}

function unknownVerb(first: string): Parsed {
  if (first.startsWith('-')) {
    const message = `the option ${first} needs a verb before it: baton VERB ${first}`;
    return { kind: 'wrong', message, verb: null };
  }
  const near = nearest(
    first,
    verbs.map((verb) => verb.name),
  );
  const hint = near === null ? '' : `; did you mean "baton ${near}"?`;
  return { kind: 'wrong', message: `there is no verb "${first}"${hint}`, verb: null };
}

function parseVerb(verb: Verb, args: readonly string[]): Parsed {
  const options = [...verb.options, ...commonOptions];
  const wrong = (message: string): Parsed => ({ kind: 'wrong', message, verb });
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(options.map(({ name, type }) => [name, shape(name, type)])),
  });
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = options.find((one) => one.name === token.name);
    if (option === undefined) return wrong(unknownOption(token.rawName, options));
    const problem = take(option, token.rawName, token.value, flags, values);
    if (problem !== null) return wrong(problem);
  }
  if (flags.has('help')) return { kind: 'help', verb };
  const allowed = verb.positional === '' ? 0 : 1;
  if (positionals.length > allowed) {
    return wrong(`baton ${verb.name} does not take "${positionals[allowed]}"`);
  }
  const node = positionals[0] ?? null;
  if (node !== null && !isNodeName(node)) return wrong(`"${node}" cannot be the name of a node`);
  return { kind: 'run', verb, node, flags, values };
}

const shape = (name: string, type: 'boolean' | 'string') =>
  name === 'help' ? { type, short: 'h' } : { type };

/** Notes one option; returns what is wrong with it, or null. */
function take(
  option: Option,
  raw: string,
  value: string | undefined,
  flags: Set<string>,
  values: Map<string, string>,
): string | null {
  if (option.type === 'boolean') {
    if (value !== undefined) return `${raw} takes no value`;
    flags.add(option.name);
    return null;
  }
  // A value that looks like an option is a forgotten value, but "-" alone is the output.
  const missing = value === undefined || value === '' || /^-./.test(value);
  if (missing) return `${raw} needs a value: ${raw} ${option.value}`;
  values.set(option.name, value);
  return null;
}

function unknownOption(raw: string, options: readonly Option[]): string {
  const near = nearest(
    raw.replace(/^-+/, ''),
    options.map((option) => option.name),
  );
  return `there is no option ${raw}${near === null ? '' : `; did you mean --${near}?`}`;
}

/** The known word that is nearest to `text`, or null when none is near enough to be meant. */
export function nearest(text: string, known: readonly string[]): string | null {
  const ranked = known
    .map((word) => ({ word, far: word.startsWith(text) && text !== '' ? 0 : distance(text, word) }))
    .sort((one, other) => one.far - other.far);
  const [best] = ranked;
  return best !== undefined && best.far <= Math.max(1, Math.floor(text.length / 3))
    ? best.word
    : null;
}

/** Edit distance (Levenshtein): insertions, deletions and replacements. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      const replaced = (row[j - 1] ?? 0) + same;
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
