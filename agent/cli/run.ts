/**
 * One run of the `baton` command: command line in, exit status out. Everything it touches is in
 * the `World`, so that tests run it whole.
 *
 * Exit status: 0 done, 1 it failed (the reason stands on standard error), 2 the call was wrong,
 * 3 the agent could not be asked.
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import { version } from '../../shared/version.ts';
import { type Parsed, parseCommandLine } from './arguments.ts';
import { complain } from './commands/agent-question.ts';
import { completion } from './commands/completion.ts';
import { keygen } from './commands/keygen.ts';
import { mqtt } from './commands/mqtt.ts';
import { found, leave, move, promote } from './commands/orders.ts';
import { status, why } from './commands/status.ts';
import { generalHelp, verbHelp } from './help.ts';
import { render } from './layout/lines.ts';
import type { Verb, VerbName } from './verbs.ts';
import type { Exit, World } from './world.ts';

const PAGE = 80;

type Run = Extract<Parsed, { kind: 'run' }>;

const actions: Readonly<Record<VerbName, (world: World, run: Run) => Exit | Promise<Exit>>> = {
  status: (world, { values, flags }) => status(world, values, flags),
  why: (world, { values, flags }) => why(world, values, flags),
  mqtt: (world, { values, flags }) => mqtt(world, values, flags),
  keygen: (world, { values }) => keygen(world, values),
  move: (world, { values, node }) => move(world, values, node),
  promote: (world, { values, flags }) => promote(world, values, flags),
  found: (world, { values, flags }) => found(world, values, flags),
  leave: (world, { values }) => leave(world, values),
  completion: (world) => completion(world),
};

/** Runs the command line `args` (without the program's name). */
export async function run(world: World, args: readonly string[]): Promise<Exit> {
  const parsed = parseCommandLine(args);
  switch (parsed.kind) {
    case 'version':
      world.output.print([`baton ${version}`]);
      return 0;
    case 'help':
      printHelp(world, parsed.verb);
      return 0;
    case 'wrong': {
      const more = parsed.verb === null ? 'baton --help' : `baton ${parsed.verb.name} --help`;
      complain(world, `${parsed.message}\n"${more}" shows what there is`);
      return 2;
    }
    case 'run':
      return attempt(world, parsed);
  }
}

/** Help is read by people even when it is piped, so it is never wider than a page. */
function printHelp(world: World, verb: Verb | null): void {
  const { width, paint } = world.output.look();
  const lines = verb === null ? generalHelp() : verbHelp(verb);
  world.output.print(render(lines, { width: Math.min(width, PAGE), paint }));
}

/** What the world refused is told in its own words; our own bugs keep their trace. */
async function attempt(world: World, parsed: Run): Promise<Exit> {
  try {
    return await actions[parsed.verb.name](world, parsed);
  } catch (error) {
    if (!isBatonError(error) || error.kind === 'invariant') throw error;
    complain(world, error.message);
    return error.kind === 'usage' ? 2 : 1;
  }
}
