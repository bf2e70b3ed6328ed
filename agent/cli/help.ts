/** The help texts of `baton`, made from the table of verbs. Pure. */
import { blank, hanging, type Line, line, span } from './layout/lines.ts';
import { commonOptions, type Option, type Verb, verbs } from './verbs.ts';

const LEFT = 16;
const LEFT_OPTION = 28;

const entry = (left: string, right: string, width: number): Line =>
  hanging(width + 3, '  ', span(left.padEnd(width), 'strong'), ` ${right}`);

const optionLine = (option: Option): Line =>
  entry(
    `--${option.name}${option.value === undefined ? '' : ` ${option.value}`}`,
    option.help,
    LEFT_OPTION,
  );

const optionLines = (options: readonly Option[]): Line[] =>
  options.length === 0 ? [] : [blank, line('Options:'), ...options.map(optionLine)];

/** All verbs with one line each. */
export function generalHelp(): Line[] {
  return [
    line('baton keeps a small k3s cluster alive when its only server dies.'),
    blank,
    line('Usage: baton VERB [OPTIONS]'),
    blank,
    ...verbs.map((verb) => entry(`${verb.name} ${verb.positional}`.trim(), verb.summary, LEFT)),
    blank,
    line('Options of every verb:'),
    ...commonOptions.map(optionLine),
    blank,
    line('"baton VERB --help" tells more; "baton --version" tells the version.'),
    line('Exit status: 0 done, 1 it failed, 2 the call was wrong.'),
  ];
}

export function verbHelp(verb: Verb): Line[] {
  const usage = ['Usage: baton', verb.name, verb.positional, '[OPTIONS]'];
  const details = verb.details.length === 0 ? [] : [blank, ...verb.details.map((one) => line(one))];
  return [
    line(usage.filter((word) => word !== '').join(' ')),
    blank,
    line(`${verb.summary}.`),
    ...details,
    ...optionLines([...verb.options, ...commonOptions]),
  ];
}
