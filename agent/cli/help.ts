/** The help texts of `baton`, made from the table of verbs. Pure. */
import { blank, hanging, type Line, line, span } from './layout/lines.ts';
import { commonOptions, type Option, type Verb, verbs } from './verbs.ts';

const entry = (left: string, right: string, width: number): Line =>
  hanging(width + 4, '  ', span(left.padEnd(width), 'strong'), `  ${right}`);

/** A table of two columns; the left one is as wide as its widest entry. */
function entries(rows: readonly (readonly [left: string, right: string])[]): Line[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => entry(left, right, width));
}

const optionRow = ({ name, value, help }: Option): readonly [string, string] => [
  `--${name}${value === undefined ? '' : ` ${value}`}`,
  help,
];

/** What `baton` itself takes from the environment. */
const environment: readonly (readonly [string, string])[] = [
  ['BATON_SOCKET', 'as --socket'],
  ['BATON_SETTINGS', 'as --settings'],
  ['NO_COLOR', 'no colours on a terminal either'],
];

const statuses: readonly (readonly [string, string])[] = [
  ['0', 'done'],
  ['1', 'it failed or was refused; the reason stands on standard error'],
  ['2', 'the call was wrong; nothing was tried'],
  ['3', 'the agent could not be asked: not running, frozen, or no permission'],
];

/** All verbs with one line each. */
export function generalHelp(): Line[] {
  const called = ({ name, positional }: Verb): string => `${name} ${positional}`.trim();
  return [
    line('baton keeps a small k3s cluster alive when its only server dies.'),
    blank,
    line('Usage: baton VERB [OPTIONS]'),
    blank,
    ...entries(verbs.map((verb) => [called(verb), verb.summary])),
    blank,
    line('Options of every verb:'),
    ...entries(commonOptions.map(optionRow)),
    blank,
    line('Environment:'),
    ...entries(environment),
    blank,
    line('Exit status:'),
    ...entries(statuses),
    blank,
    line('"baton help VERB" tells more; "baton --version" tells the version.'),
  ];
}

export function verbHelp(verb: Verb): Line[] {
  const options = verb.options.length === 0 ? '' : '[OPTIONS]';
  const usage = ['Usage: baton', verb.name, verb.positional, options];
  const own = verb.options.map(optionRow);
  return [
    line(usage.filter((word) => word !== '').join(' ')),
    blank,
    line(`${verb.summary.slice(0, 1).toUpperCase()}${verb.summary.slice(1)}.`),
    ...verb.details.flatMap((paragraph) => [blank, line(paragraph)]),
    ...(own.length === 0 ? [] : [blank, line('Options:'), ...entries(own)]),
    blank,
    line(span('Options of every verb: see "baton help".', 'dim')),
  ];
}
