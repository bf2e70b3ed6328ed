/**
 * Texts generated from a declaration: TypeScript types and the example file. Pure.
 *
 * What is rendered is formatted as biome would, so that a check of the tree has nothing to change.
 */
import type { Declaration } from './load.ts';
import type { Group, Leaf, List, SchemaNode } from './schema.ts';

/** Longest line of a generated file. */
const WIDTH = 100;

/** Words in lines of at most `width` characters; a longer word stands alone. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** The name of the settings type: `AgentSettings` for `agent`. */
const typeName = (daemon: string): string =>
  `${daemon.charAt(0).toUpperCase()}${daemon.slice(1)}Settings`;

const withUnit = (leaf: Leaf<unknown>): string =>
  leaf.unit === null || leaf.unit === 'ms'
    ? leaf.about.description
    : `${leaf.about.description} Unit: ${leaf.unit}.`;

const docComment = (words: string, indent: string): string[] => {
  if (words === '') return [];
  const single = `${indent}/** ${words} */`;
  if (single.length <= WIDTH) return [single];
  const lines = wrap(words, WIDTH - indent.length - 3).map((line) => `${indent} * ${line}`);
  return [`${indent}/**`, ...lines, `${indent} */`];
};

const describe = (node: SchemaNode): string =>
  node.node === 'leaf' ? withUnit(node) : node.description;

function typeLines(name: string, node: SchemaNode, indent: string): string[] {
  const doc = docComment(describe(node), indent);
  if (node.node === 'leaf') return [...doc, `${indent}readonly ${name}: ${node.code};`];
  const item = node.node === 'list' ? node.item : node;
  const opening = node.node === 'list' ? 'readonly {' : '{';
  const closing = node.node === 'list' ? '}[];' : '};';
  const entries = entryLines(item, `${indent}  `);
  return [...doc, `${indent}readonly ${name}: ${opening}`, ...entries, `${indent}${closing}`];
}

const entryLines = (schema: Group, indent: string): string[] =>
  Object.entries(schema.entries).flatMap(([name, node]) => typeLines(name, node, indent));

const usesDuration = (node: SchemaNode): boolean => {
  if (node.node === 'leaf') return node.code.includes('Duration');
  return Object.values((node.node === 'list' ? node.item : node).entries).some(usesDuration);
};

/** `settings-types.ts`: one interface, with what each setting is. */
export function renderTypes({ daemon, place, schema }: Declaration): string {
  const imported = usesDuration(schema)
    ? ["import type { Duration } from '../../shared/time/duration.ts';", '']
    : [];
  return [
    '/**',
    ` * The settings of ${place} as a type. Generated from ${daemon}/config.ts by`,
    ' * `npm run gen`; a change here is lost. Keys are those of the file.',
    ' */',
    ...imported,
    `export interface ${typeName(daemon)} {`,
    ...entryLines(schema, '  '),
    '}',
    '',
  ].join('\n');
}

/** A value as YAML on one line; JSON is YAML, and plain words need no quotes. */
export const asYaml = (value: unknown): string =>
  typeof value === 'string' &&
  /^[a-z/][\w./-]*$/i.test(value) &&
  !/^(?:true|false|null)$/.test(value)
    ? value
    : JSON.stringify(value);

const prose = (words: string, indent: string): string[] =>
  wrap(words, WIDTH - indent.length - 2).map((line) => `${indent}# ${line}`);

function leafLines(name: string, leaf: Leaf<unknown>, value: unknown, indent: string): string[] {
  const words = [withUnit(leaf), leaf.bounds === '' ? '' : `(${leaf.bounds})`].join(' ');
  const given = value ?? leaf.example;
  const line =
    given === undefined
      ? `${indent}#${name}: ${asYaml(leaf.default)}`
      : `${indent}${name}: ${asYaml(given)}`;
  return [...prose(words, indent), line];
}

/** The first entry shows every key; the others only what differs from the defaults. */
function listLines(name: string, list: List, indent: string): string[] {
  const inner = `${indent}    `;
  const entries = list.example.flatMap((example, index) => {
    const lines =
      index === 0
        ? Object.entries(list.item.entries).flatMap(([key, node]) =>
            node.node === 'leaf' ? leafLines(key, node, example[key], inner) : [],
          )
        : Object.entries(example).map(([key, value]) => `${inner}${key}: ${asYaml(value)}`);
    const first = lines.findIndex((line) => !line.trimStart().startsWith('#'));
    return lines.map((line, at) => {
      if (at > first) return line;
      return `${indent}  ${at === first ? '- ' : ''}${line.trimStart()}`;
    });
  });
  return [...prose(list.description, indent), `${indent}${name}:`, ...entries];
}

function exampleLines(name: string, node: SchemaNode, indent: string): string[] {
  if (node.node === 'leaf') return leafLines(name, node, undefined, indent);
  if (node.node === 'list') return listLines(name, node, indent);
  const entries = Object.entries(node.entries).flatMap(([key, entry]) =>
    exampleLines(key, entry, `${indent}  `),
  );
  // "#" and no blank line: biome drops one after a section that holds nothing but comments.
  return ['#', ...prose(node.description, indent), `${indent}${name}:`, ...entries];
}

/** The example file: loads as it is; a line `#key: value` shows a default. */
export function renderExample({ daemon, place, schema }: Declaration): string {
  return [
    `# ${schema.description} Copy it to ${place}.`,
    '# A line such as "#key: value" shows a default; remove the # to change it. Every setting with',
    `# its reason is in ${daemon}/config/SETTINGS.md. Generated by \`npm run gen\`.`,
    ...Object.entries(schema.entries).flatMap(([name, node]) => exampleLines(name, node, '')),
    '',
  ].join('\n');
}
