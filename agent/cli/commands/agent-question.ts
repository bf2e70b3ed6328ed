/**
 * Where the agent's socket is, and one question to it with the answer validated.
 *
 * Order: --socket, BATON_SOCKET, the run directory of the settings, the default. Settings that
 * cannot be read do not stop a question: the default socket is tried.
 */
import { join } from 'node:path';
import type { Command } from '../../core/types.ts';
import { type Answered, parseCommandAnswer, parseStatus } from '../answers.ts';
import type { CommandAnswer, StatusAnswer } from '../control.ts';
import type { World } from '../world.ts';
import { readSettings } from './settings.ts';

const SOCKET_NAME = 'control.sock';
const DEFAULT_SOCKET = join('/run/baton', SOCKET_NAME);

export type Values = ReadonlyMap<string, string>;

export function socketPath(world: World, values: Values): string {
  const named = values.get('socket') ?? world.environment.BATON_SOCKET;
  if (named !== undefined && named !== '') return named;
  const settings = readSettings(world, values);
  return settings.ok ? join(settings.settings.paths.run_dir, SOCKET_NAME) : DEFAULT_SOCKET;
}

export async function askStatus(world: World, values: Values): Promise<Answered<StatusAnswer>> {
  const outcome = await world.control(socketPath(world, values), { verb: 'status' });
  return outcome.ok ? parseStatus(outcome.line) : outcome;
}

export async function order(
  world: World,
  values: Values,
  command: Command,
): Promise<Answered<CommandAnswer>> {
  const outcome = await world.control(socketPath(world, values), { verb: 'command', command });
  return outcome.ok ? parseCommandAnswer(outcome.line) : outcome;
}

/** An error for a person: the first line says what happened, the others what to do. */
export function complain(world: World, message: string): void {
  const [first, ...rest] = message.split('\n');
  world.complain(`error: ${first}`);
  for (const one of rest) world.complain(`       ${one}`);
}
