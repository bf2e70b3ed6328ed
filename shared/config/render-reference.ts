/**
 * Reference pages generated from declarations and from the registry of errors. Pure.
 */
import type { Declaration } from './load.ts';
import { asYaml } from './render.ts';
import type { Group, Leaf, SchemaNode } from './schema.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  row(head),
  `|${'---|'.repeat(head.length)}`,
  ...rows.map(row),
];

const defaultOf = (leaf: Leaf<unknown>): string => {
  if (leaf.default === undefined) return '**required**';
  return leaf.default === null ? 'none' : `\`${asYaml(leaf.default)}\``;
};

const leafRow = (path: string, leaf: Leaf<unknown>): string[] => [
  `\`${path}\``,
  leaf.type,
  defaultOf(leaf),
  leaf.unit ?? '',
  leaf.bounds,
  leaf.about.secret ? `${leaf.about.description} Secret: never shown.` : leaf.about.description,
  leaf.about.why,
  leaf.about.needsRestart,
];

const head = [
  'setting',
  'type',
  'default',
  'unit',
  'bounds',
  'what',
  'why this default',
  'restart',
];

/** A heading and a table for every group; a list's entries follow as a group of their own. */
function sections(path: string, schema: Group): string[] {
  const entries = Object.entries(schema.entries);
  const leaves = entries.filter((entry): entry is [string, Leaf<unknown>] => isLeaf(entry[1]));
  const inner = entries.flatMap(([name, node]) => {
    const below = path === '' ? name : `${path}.${name}`;
    if (node.node === 'leaf') return [];
    const title = node.node === 'list' ? `${below}[]` : below;
    const item = node.node === 'list' ? node.item : node;
    const words =
      node.node === 'list'
        ? `${node.description} ${node.least} to ${node.most} entries.`
        : node.description;
    return ['', `## ${title}`, '', words, ...sections(title, item)];
  });
  const rows = leaves.map(([name, leaf]) => leafRow(path === '' ? name : `${path}.${name}`, leaf));
  return [...(rows.length === 0 ? [] : ['', ...table(head, rows)]), ...inner];
}

const isLeaf = (node: SchemaNode): node is Leaf<unknown> => node.node === 'leaf';

/** `SETTINGS.md`: every setting with its reason, then the rules between them. */
export function renderReference({ daemon, place, schema, rules }: Declaration): string {
  return [
    `# ${place}`,
    '',
    `${schema.description} Generated from ${daemon}/config.ts by \`npm run gen\`; a change here is`,
    'lost. An unknown key, a wrong type, a value out of bounds or a broken rule refuses the start,',
    'with file, line and key. "restart" names what must be restarted for a change to take effect.',
    ...sections('', schema),
    '',
    '## Rules between settings',
    '',
    ...table(
      ['rule', 'what holds'],
      rules.map(({ name, says }) => [`\`${name}\``, says]),
    ),
    '',
  ].join('\n');
}

/** `ERRORS.md`: every error code with its meaning. */
export function renderErrors(codes: Readonly<Record<string, string>>): string {
  return [
    '# Error codes',
    '',
    'Every failure of baton carries one of these, in the log and in the answers of the command.',
    'Generated from shared/errors/registry.ts by `npm run gen`; a change here is lost.',
    '',
    ...table(
      ['code', 'meaning'],
      Object.entries(codes).map(([code, words]) => [`\`${code}\``, words]),
    ),
    '',
  ].join('\n');
}
