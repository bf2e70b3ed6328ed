/**
 * Verbs that change the cluster: move, promote, found, leave. Each becomes one command for the
 * local agent's core, which alone decides; what it answers is printed as it is.
 */
import type { Command } from '../../core/types.ts';
import { blank, line, noColours, render } from '../layout/lines.ts';
import { findVerb, type VerbName } from '../verbs.ts';
import type { Exit, World } from '../world.ts';
import { complain, failed, order, type Values } from './agent-question.ts';

/** Columns of what is explained before a question. */
const PAGE = 80;
const VOUCHED = 'i-know-the-other-is-dead';

export const move = (world: World, values: Values, node: string | null): Promise<Exit> =>
  give(world, values, { name: 'move', to: node });

export const leave = (world: World, values: Values): Promise<Exit> =>
  give(world, values, { name: 'leave' });

export async function promote(
  world: World,
  values: Values,
  flags: ReadonlySet<string>,
): Promise<Exit> {
  if (!flags.has(VOUCHED)) {
    explain(world, 'promote');
    complain(world, `to go on, look at the other node, then give --${VOUCHED}`);
    return 2;
  }
  const sure = await confirmed(world, flags, 'promote', 'Is the other node switched off?');
  return sure ?? give(world, values, { name: 'promote', other_is_dead: true });
}

export async function found(
  world: World,
  values: Values,
  flags: ReadonlySet<string>,
): Promise<Exit> {
  const question = 'Is it certain that no other node holds rows of this cluster?';
  const sure = await confirmed(world, flags, 'found', question);
  return sure ?? give(world, values, { name: 'found' });
}

/** Null when the person agreed; else how the command ends. Explains itself before it asks. */
async function confirmed(
  world: World,
  flags: ReadonlySet<string>,
  verb: VerbName,
  question: string,
): Promise<Exit | null> {
  if (flags.has('yes')) return null;
  explain(world, verb);
  const answer = await world.ask(`${question} Type "yes" to go on: `);
  if (answer === null) {
    complain(world, 'nobody is there to answer; give --yes to go on without a question');
    return 2;
  }
  if (answer.trim() === 'yes') return null;
  complain(world, 'nothing was done');
  return 1;
}

function explain(world: World, name: VerbName): void {
  const verb = findVerb(name);
  if (verb === undefined) return;
  const page = { width: PAGE, paint: noColours };
  for (const text of render([...verb.details.map((one) => line(one)), blank], page)) {
    world.complain(text);
  }
}

async function give(world: World, values: Values, command: Command): Promise<Exit> {
  const answer = await order(world, values, command);
  if (!answer.ok) return failed(world, answer);
  if (!answer.value.ok) {
    complain(world, answer.value.text);
    return 1;
  }
  world.output.print(answer.value.text.split('\n'));
  return 0;
}
