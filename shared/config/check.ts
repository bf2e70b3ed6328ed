/**
 * Holds a parsed YAML document against a schema: unknown and repeated keys, wrong types, bounds,
 * missing settings, repeated names. Fills in defaults. Never throws.
 *
 * Nothing is converted: `"8000"` is text, not a number. Aliases are refused, so that what stands
 * on a line is what counts, and no document can grow on reading.
 */
import { isAlias, isMap, isScalar, isSeq, type LineCounter, type ParsedNode } from 'yaml';
import type { SettingsProblem } from './problems.ts';
import type { Group, Leaf, List, SchemaNode } from './schema.ts';
import { nearest } from './suggest.ts';

export type YamlNode = ParsedNode | null;

/** What a walk through one document collects. */
export interface Walk {
  readonly file: string;
  readonly lines: LineCounter;
  readonly root: Group;
  readonly problems: SettingsProblem[];
  /** Line of every key that is in the file, by its path. */
  readonly lineOf: Map<string, number>;
}

interface Place {
  readonly key: string;
  readonly line: number;
}

const below = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

const complain = (walk: Walk, at: Place, rule: string, text: string): undefined => {
  walk.problems.push({ file: walk.file, line: at.line, key: at.key, rule, text });
};

const lineAt = (walk: Walk, node: YamlNode, otherwise: number): number =>
  node?.range ? walk.lines.linePos(node.range[0]).line || otherwise : otherwise;

/** What stands there, for a sentence; a secret is never repeated. */
const shown = (node: YamlNode, secret: boolean): string => {
  if (secret) return 'this value';
  if (isMap(node)) return 'a section';
  if (isSeq(node)) return 'a list';
  const value = isScalar(node) ? node.value : null;
  if (value === null) return 'nothing';
  const text = String(value).slice(0, 80);
  return typeof value === 'string' ? `the text ${JSON.stringify(text)}` : text;
};

/** The document's value, as far as settings have one: scalars and lists of scalars. */
const plain = (node: YamlNode): unknown => {
  if (isScalar(node)) return node.value;
  if (isSeq(node)) return node.items.map((item) => (isScalar(item) ? item.value : undefined));
  return node === null ? null : undefined;
};

function checkLeaf(walk: Walk, leaf: Leaf<unknown>, node: YamlNode, at: Place): unknown {
  const value = plain(node);
  const refusal = leaf.refuse(value);
  if (refusal === null) return value;
  // A bare 1883, true or 1e3 is a number or a truth value in YAML, also where a name was meant.
  const isBare = typeof value === 'number' || typeof value === 'boolean';
  const quotes = isBare && leaf.code.startsWith('string') ? ' - put it in quotes' : '';
  const text = `is ${shown(node, leaf.about.secret)}, must be ${refusal.mustBe}${quotes}`;
  return complain(walk, at, refusal.rule, text);
}

/** Every path of the schema that ends in `key`, to tell where a misplaced one belongs. */
function pathsTo(schema: Group, key: string, path = ''): string[] {
  return Object.entries(schema.entries).flatMap(([name, node]) => {
    const here = below(path, name);
    const own = name === key ? [here] : [];
    if (node.node === 'leaf') return own;
    const inner = node.node === 'list' ? node.item : node;
    return [...own, ...pathsTo(inner, key, node.node === 'list' ? `${here}[]` : here)];
  });
}

function complainUnknown(walk: Walk, schema: Group, name: string, at: Place): void {
  const known = Object.keys(schema.entries);
  const near = nearest(name, known);
  const [elsewhere] = pathsTo(walk.root, name);
  const advice =
    elsewhere !== undefined && near === null
      ? `it belongs at ${elsewhere}`
      : near !== null
        ? `did you mean "${near}"?`
        : `known here: ${known.join(', ')}`;
  complain(walk, at, 'unknown-key', `unknown key - ${advice}`);
}

/** The values by key, each with its line; complains about keys that cannot be. */
function readEntries(walk: Walk, schema: Group, node: YamlNode, at: Place) {
  const found = new Map<string, { node: YamlNode; at: Place }>();
  if (!isMap(node)) return found;
  for (const pair of node.items) {
    const line = lineAt(walk, pair.key, at.line);
    const name = isScalar(pair.key) ? String(pair.key.value) : '?';
    const place = { key: below(at.key, name.slice(0, 80)), line };
    const earlier = found.get(name);
    if (!Object.hasOwn(schema.entries, name)) complainUnknown(walk, schema, name, place);
    else if (earlier === undefined) {
      found.set(name, { node: pair.value, at: place });
      walk.lineOf.set(place.key, line);
    } else {
      const text = `stands twice - it is on line ${earlier.at.line} too; remove one`;
      complain(walk, place, 'repeated-key', text);
    }
  }
  return found;
}

function checkGroup(walk: Walk, schema: Group, node: YamlNode, at: Place): unknown {
  // A section whose lines are all commented out reads as null.
  const isEmpty = node === null || (isScalar(node) && node.value === null);
  if (!isEmpty && !isMap(node)) {
    return complain(walk, at, 'wrong-type', `is ${shown(node, false)}, must be a section of keys`);
  }
  const found = readEntries(walk, schema, node, at);
  const entries = Object.entries(schema.entries).map(([name, entry]) => {
    const there = found.get(name);
    const place = there?.at ?? { key: below(at.key, name), line: at.line };
    return [name, checkNode(walk, entry, there === undefined ? undefined : there.node, place)];
  });
  return Object.fromEntries(entries);
}

function checkNames(walk: Walk, at: Place, names: readonly { name: unknown; at: Place }[]): void {
  const first = new Map<unknown, Place>();
  for (const { name, at: place } of names) {
    const earlier = first.get(name);
    if (typeof name !== 'string') continue;
    if (earlier === undefined) first.set(name, place);
    else {
      const text =
        `"${name}" stands twice - ${earlier.key} on line ${earlier.line} has it too; every entry ` +
        `of ${at.key} needs its own`;
      complain(walk, place, 'repeated-name', text);
    }
  }
}

function checkList(walk: Walk, schema: List, node: YamlNode, at: Place): unknown {
  if (!isSeq(node)) {
    return complain(walk, at, 'wrong-type', `is ${shown(node, false)}, must be a list of entries`);
  }
  const { least, most } = schema;
  if (node.items.length < least || node.items.length > most) {
    const text = `has ${node.items.length} entries, must have ${least} to ${most}`;
    return complain(walk, at, 'out-of-bounds', text);
  }
  const items = node.items.map((item, index) => {
    const entry = item as YamlNode;
    const place = { key: `${at.key}[${index}]`, line: lineAt(walk, entry, at.line) };
    walk.lineOf.set(place.key, place.line);
    const value = checkNode(walk, schema.item, entry, place) as { name?: unknown } | undefined;
    const key = `${place.key}.name`;
    const line = walk.lineOf.get(key) ?? place.line;
    return { value, name: value?.name, at: { key, line } };
  });
  checkNames(walk, at, items);
  return items.map(({ value }) => value);
}

/**
 * The value of one schema node; `undefined` as `node` says that the key is not in the file. What
 * is returned after a complaint means nothing.
 */
export function checkNode(
  walk: Walk,
  schema: SchemaNode,
  node: YamlNode | undefined,
  at: Place,
): unknown {
  if (isAlias(node)) {
    return complain(walk, at, 'alias', 'aliases (*name) are not read - write the value out');
  }
  if (schema.node === 'group') return checkGroup(walk, schema, node ?? null, at);
  if (node !== undefined) {
    return schema.node === 'list'
      ? checkList(walk, schema, node, at)
      : checkLeaf(walk, schema, node, at);
  }
  if (schema.node === 'leaf' && schema.default !== undefined) return schema.default;
  const { description } = schema.node === 'leaf' ? schema.about : schema;
  return complain(walk, at, 'missing', `is missing and has no default - ${description}`);
}
