/**
 * The words in which a daemon declares its settings: leaves, groups and lists of groups.
 *
 * One declaration is the only place where a setting is written down. The validator
 * (check.ts), the TypeScript types, the example file and the reference table (generate.ts) all
 * come from it. Keys are those of the YAML file, with the unit last (`lease_duration_ms`); the
 * settings object has the same keys, and a length of time in it is a `Duration`.
 *
 * Does not know YAML, files or lines. Source: STYLE, "Settings".
 */
import { isIP } from 'node:net';
import type { Duration } from '../time/duration.ts';

/** What every setting says of itself. */
export interface About {
  readonly description: string;
  /** Why this default, or why there is none. */
  readonly why: string;
  /** What must be restarted for a change to take effect; the daemon when left out. */
  readonly needsRestart?: 'daemon' | 'server';
  /** Its value is never shown, in a log or a problem. */
  readonly secret?: boolean;
}

/** One value. `Value` is its type inside; a leaf without `default` must be in the file. */
export interface Leaf<Value> {
  readonly node: 'leaf';
  /** Type in words, for people: `whole number`. */
  readonly type: string;
  /** TypeScript source of `Value`. */
  readonly code: string;
  readonly unit: string | null;
  /** What is accepted beyond the type, in words; empty when everything is. */
  readonly bounds: string;
  readonly default?: Value;
  /** A value for the example file when there is no default. */
  readonly example?: string;
  readonly about: Required<About>;
  /** Null when `value` is acceptable; else what it must be, to complete "must be …". */
  refuse(value: unknown): Refusal | null;
}

export interface Refusal {
  readonly rule: 'wrong-type' | 'out-of-bounds';
  readonly mustBe: string;
}

export type Shape = Readonly<Record<string, SchemaNode>>;

export interface Group<Entries extends Shape = Shape> {
  readonly node: 'group';
  readonly description: string;
  readonly entries: Entries;
}

/** A list of groups that are told apart by the text leaf `name`. */
export interface List<Entries extends Shape = Shape> {
  readonly node: 'list';
  readonly description: string;
  readonly item: Group<Entries>;
  readonly least: number;
  readonly most: number;
  /** Entries for the example file, with what has no default. */
  readonly example: readonly Readonly<Record<string, string | boolean | number>>[];
}

export type SchemaNode = Leaf<unknown> | Group | List;

/** The settings that a schema describes. */
export type SettingsOf<Node> =
  Node extends Leaf<infer Value>
    ? Value
    : Node extends Group<infer Entries>
      ? { readonly [Key in keyof Entries]: SettingsOf<Entries[Key]> }
      : Node extends List<infer Entries>
        ? readonly SettingsOf<Group<Entries>>[]
        : never;

export const group = <Entries extends Shape>(
  description: string,
  entries: Entries,
): Group<Entries> => ({ node: 'group', description, entries });

export const list = <Entries extends Shape>(
  description: string,
  size: Pick<List, 'least' | 'most' | 'example'>,
  entries: Entries,
): List<Entries> => ({ node: 'list', description, ...size, item: group('', entries) });

const about = ({ description, why, needsRestart = 'daemon', secret = false }: About) => ({
  description,
  why,
  needsRestart,
  secret,
});

interface NumberSpec extends About {
  readonly default?: number;
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
}

const within = (spec: NumberSpec, type: string, fits: (value: number) => boolean) => {
  const unit = spec.unit === undefined ? '' : ` ${spec.unit}`;
  const bounds = `${spec.min} to ${spec.max}`;
  return (value: unknown): Refusal | null => {
    const mustBe = `a ${type} from ${bounds}${unit}`;
    if (typeof value !== 'number' || !fits(value)) return { rule: 'wrong-type', mustBe };
    return value >= spec.min && value <= spec.max ? null : { rule: 'out-of-bounds', mustBe };
  };
};

function numeric<Value>(
  spec: NumberSpec,
  words: { type: string; code: string },
  fits: (value: number) => boolean,
): Leaf<Value> {
  return {
    node: 'leaf',
    ...words,
    unit: spec.unit ?? null,
    bounds: `${spec.min} to ${spec.max}`,
    // A Duration is a number to the compiler and to YAML alike.
    ...(spec.default === undefined ? {} : { default: spec.default as Value }),
    about: about(spec),
    refuse: within(spec, words.type, fits),
  };
}

export const integer = (spec: NumberSpec): Leaf<number> =>
  numeric(spec, { type: 'whole number', code: 'number' }, Number.isSafeInteger);

export const decimal = (spec: NumberSpec): Leaf<number> =>
  numeric(spec, { type: 'number', code: 'number' }, Number.isFinite);

/** Whole milliseconds; its key ends in `_ms`. */
export const duration = (spec: Omit<NumberSpec, 'unit'>): Leaf<Duration> =>
  numeric(
    { ...spec, unit: 'ms' },
    { type: 'whole number', code: 'Duration' },
    Number.isSafeInteger,
  );

/** A TCP port, never 0: another node or a person must know it. */
export const port = (spec: About & { readonly default?: number }): Leaf<number> =>
  integer({ ...spec, min: 1, max: 65_535 });

export const flag = (spec: About & { readonly default?: boolean }): Leaf<boolean> => ({
  node: 'leaf',
  type: 'true or false',
  code: 'boolean',
  unit: null,
  bounds: '',
  ...(spec.default === undefined ? {} : { default: spec.default }),
  about: about(spec),
  refuse: (value) =>
    typeof value === 'boolean' ? null : { rule: 'wrong-type', mustBe: 'true or false' },
});

/** What a text must look like: a test and its words, to complete "must be …". */
export interface TextForm {
  readonly words: string;
  fits(value: string): boolean;
}

const matching = (words: string, pattern: RegExp): TextForm => ({
  words,
  fits: (value) => pattern.test(value),
});

export const forms = {
  any: matching('text of 1 to 4096 characters on one line', /^[^\r\n\0]{1,4096}$/u),
  nodeName: matching(
    'a node name: lowercase letters, digits and dashes, 1 to 63 characters, a dash at neither end',
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
  ),
  path: matching(
    'an absolute path without "..", such as /run/baton',
    /^\/(?!.*\/\.\.(?:\/|$))\S*$/,
  ),
  address: { words: 'an IP address, such as 192.168.1.11', fits: (value) => isIP(value) !== 0 },
  loopback: {
    words: 'an address of this machine alone, such as 127.0.0.1 or ::1',
    fits: (value) => value === '::1' || (value.startsWith('127.') && isIP(value) === 4),
  },
} satisfies Record<string, TextForm>;

interface TextSpec extends About {
  readonly form?: TextForm;
  readonly example?: string;
}

const refuseText =
  (form: TextForm) =>
  (value: unknown): Refusal | null => {
    if (typeof value !== 'string') return { rule: 'wrong-type', mustBe: form.words };
    return form.fits(value) ? null : { rule: 'out-of-bounds', mustBe: form.words };
  };

const textLeaf = (spec: TextSpec) => ({
  node: 'leaf' as const,
  type: 'text',
  unit: null,
  bounds: spec.form?.words ?? '',
  ...(spec.example === undefined ? {} : { example: spec.example }),
  about: about(spec),
});

export const text = (spec: TextSpec & { readonly default?: string }): Leaf<string> => ({
  ...textLeaf(spec),
  code: 'string',
  ...(spec.default === undefined ? {} : { default: spec.default }),
  refuse: refuseText(spec.form ?? forms.any),
});

/** A text that may be left out: null then. `null` in the file says the same. */
export const optionalText = (spec: TextSpec): Leaf<string | null> => {
  const refuse = refuseText(spec.form ?? forms.any);
  return {
    ...textLeaf(spec),
    code: 'string | null',
    default: null,
    refuse: (value) => (value === null ? null : refuse(value)),
  };
};

export const choice = <const Choice extends string>(
  choices: readonly Choice[],
  spec: About & { readonly default?: NoInfer<Choice> },
): Leaf<Choice> => {
  const words = choices.map((one) => `"${one}"`).join(' or ');
  return {
    node: 'leaf',
    type: 'choice',
    code: choices.map((one) => `'${one}'`).join(' | '),
    unit: null,
    bounds: words,
    ...(spec.default === undefined ? {} : { default: spec.default }),
    about: about(spec),
    refuse: (value) => {
      if (typeof value !== 'string') return { rule: 'wrong-type', mustBe: words };
      const known: readonly string[] = choices;
      return known.includes(value) ? null : { rule: 'out-of-bounds', mustBe: words };
    },
  };
};

/** A list of texts, at most 64. */
export const texts = (
  spec: About & { readonly default: readonly string[] },
): Leaf<readonly string[]> => ({
  node: 'leaf',
  type: 'list of text',
  code: 'readonly string[]',
  unit: null,
  bounds: 'at most 64',
  default: spec.default,
  about: about(spec),
  refuse: (value) => {
    const mustBe = 'a list of at most 64 texts, such as ["--disable=traefik"]';
    const fits = (one: unknown): boolean => typeof one === 'string' && forms.any.fits(one);
    if (!Array.isArray(value) || !value.every(fits)) return { rule: 'wrong-type', mustBe };
    return value.length <= 64 ? null : { rule: 'out-of-bounds', mustBe };
  },
});
