/**
 * Where the agent's socket is, and one question to it with the answer validated.
 *
 * Order: --socket, BATON_SOCKET, the run directory of the settings, the default. Settings in the
 * usual place that cannot be read do not stop a question: the default socket is tried.
 */
import { join } from 'node:path';
import type { Command } from '../../core/types.ts';
import { type Answered, parseCommandAnswer, parseStatus } from '../answers.ts';
import type { CommandAnswer, ControlRequest, StatusAnswer } from '../control.ts';
import type { Exit, World } from '../world.ts';
import { readSettings } from './settings.ts';

const SOCKET_NAME = 'control.sock';
const DEFAULT_SOCKET = join('/run/baton', SOCKET_NAME);

export type Values = ReadonlyMap<string, string>;

/** What went wrong, in words for a person, and how the command ends. */
export interface Failure {
  readonly ok: false;
  readonly message: string;
  readonly exit: Exit;
}

type Place =
  | {
      readonly ok: true;
      readonly path: string /** More to say on failure. */;
      readonly note: string;
    }
  | Failure;

function socketPlace(world: World, values: Values): Place {
  const named = values.get('socket') ?? world.environment.BATON_SOCKET ?? '';
  if (named !== '') return { ok: true, path: named, note: '' };
  const read = readSettings(world, values);
  if (read.ok) return { ok: true, path: join(read.settings.paths.run_dir, SOCKET_NAME), note: '' };
  if (read.named) return { ok: false, message: read.message, exit: 1 };
  return { ok: true, path: DEFAULT_SOCKET, note: read.why === 'refused' ? read.message : '' };
}

type Asked<Value> = { readonly ok: true; readonly value: Value } | Failure;

async function ask<Value>(
  world: World,
  values: Values,
  request: ControlRequest,
  parse: (line: string) => Answered<Value>,
): Promise<Asked<Value>> {
  const place = socketPlace(world, values);
  if (!place.ok) return place;
  const outcome = await world.control(place.path, request);
  if (!outcome.ok) {
    const message = [outcome.message, place.note].filter((one) => one !== '').join('\n');
    return { ok: false, message, exit: 3 };
  }
  const answer = parse(outcome.line);
  return answer.ok ? answer : { ...answer, exit: 1 };
}

export const askStatus = (world: World, values: Values): Promise<Asked<StatusAnswer>> =>
  ask(world, values, { verb: 'status' }, parseStatus);

export const order = (
  world: World,
  values: Values,
  command: Command,
): Promise<Asked<CommandAnswer>> =>
  ask(world, values, { verb: 'command', command }, parseCommandAnswer);

/** Tells the failure and gives the exit status. */
export function failed(world: World, { message, exit }: Omit<Failure, 'ok'>): Exit {
  complain(world, message);
  return exit;
}

/** An error for a person: the first line says what happened, the others what to do. */
export function complain(world: World, message: string): void {
  const [first, ...rest] = message.split('\n');
  world.complain(`error: ${first}`);
  for (const one of rest) world.complain(`       ${one}`);
}
