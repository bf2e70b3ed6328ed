/**
 * `baton completion`: a bash completion made from the table of verbs, so that it can't fall
 * behind. Completes verbs and their options; file names after options that take a file.
 *
 * Does not ask the agent: names of nodes are not completed.
 * Source: bash(1), "Programmable Completion".
 */
import { commonOptions, type Option, type Verb, verbs } from '../verbs.ts';
import type { Exit, World } from '../world.ts';

export function completion(world: World): Exit {
  world.output.print(script());
  return 0;
}

const flag = (option: Option): string => `--${option.name}`;

/** bash for one word of the command line. */
const at = (index: string): string => `\${COMP_WORDS[${index}]}`;

/** The script, as lines. All words are our own: letters and dashes, nothing to quote. */
export function script(): string[] {
  const names = [...verbs.map((verb) => verb.name), 'help', 'version'];
  const files = [...new Set([...verbs.flatMap((verb) => verb.options), ...commonOptions])]
    .filter((option) => option.value === 'FILE' || option.value === 'PATH')
    .map(flag);
  return [
    '# bash completion for baton; made by "baton completion".',
    '_baton() {',
    '  local word before verb words=',
    `  word=${at('COMP_CWORD')} before=${at('COMP_CWORD-1')} verb=${at('1')}`,
    '  COMPREPLY=()',
    `  case $before in ${[...new Set(files)].join('|')})`,
    '    mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;',
    '  esac',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    words="${names.join(' ')} --help --version"`,
    '  else case $verb in',
    `    help) words="${verbs.map((verb) => verb.name).join(' ')}" ;;`,
    ...verbs.map(verbCase),
    '  esac; fi',
    '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")',
    '}',
    'complete -F _baton baton',
  ];
}

const verbCase = (verb: Verb): string =>
  `    ${verb.name}) words="${[...verb.options, ...commonOptions].map(flag).join(' ')}" ;;`;
