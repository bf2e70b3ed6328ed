/**
 * What a line on the control socket means: `status` is answered from memory, a command goes to the
 * core as an event and is answered by its `reply` effect.
 *
 * Types of request and answer stand in agent/cli/control.ts. Who may ask is decided by the
 * socket's permissions (adapters/control-socket.ts).
 */
import * as v from 'valibot';
import type { Clock } from '../../shared/ports/clock.ts';
import { nodeName } from '../../shared/protocol/schemas.ts';
import { seconds } from '../../shared/time/duration.ts';
import type { CommandAnswer, StatusAnswer } from '../cli/control.ts';
import type { AgentEvent, Command } from '../core/types.ts';

const commandShape: v.GenericSchema<Command> = v.variant('name', [
  v.object({ name: v.literal('move'), to: v.nullable(nodeName) }),
  v.object({ name: v.literal('promote'), other_is_dead: v.literal(true) }),
  v.object({ name: v.literal('found') }),
  v.object({ name: v.literal('leave') }),
]);
const requestShape = v.variant('verb', [
  v.object({ verb: v.literal('status') }),
  v.object({ verb: v.literal('command'), command: commandShape }),
]);

/** A move stops a server and sends the last revisions; nothing answers later than this. */
const COMMAND_LIMIT = seconds(120);
/** Commands that wait at one time. */
const MOST_WAITING = 16;

export interface ControlOptions {
  readonly clock: Clock;
  readonly status: () => StatusAnswer;
  readonly post: (event: AgentEvent) => void;
}

export type ControlAnswer = (StatusAnswer & { readonly ok: true }) | CommandAnswer;

export interface Control {
  /** One request line. Never rejects. */
  handle(line: string): Promise<ControlAnswer>;
  /** The core's `reply` effect; an id that nobody waits for is ignored. */
  reply(id: string, answer: CommandAnswer): void;
}

export function createControl(options: ControlOptions): Control {
  const { clock, status, post } = options;
  const waiting = new Map<string, (answer: CommandAnswer) => void>();
  let asked = 0;

  const command = (given: Command): Promise<CommandAnswer> =>
    new Promise((resolve) => {
      asked += 1;
      const id = `control-${asked}`;
      const limit = clock.in(COMMAND_LIMIT, () =>
        end({ ok: false, text: 'no answer yet; see `baton status` for what became of it' }),
      );
      const end = (answer: CommandAnswer): void => {
        limit.cancel();
        waiting.delete(id);
        resolve(answer);
      };
      waiting.set(id, end);
      post({ kind: 'command', id, command: given });
    });

  return {
    async handle(line) {
      const request = parse(line);
      if (request === null) {
        return {
          ok: false,
          text: 'not a request of the baton command: are the versions the same?',
        };
      }
      if (request.verb === 'status') return { ok: true, ...status() };
      if (waiting.size >= MOST_WAITING) return { ok: false, text: 'too many commands wait' };
      return command(request.command);
    },
    reply: (id, answer) => waiting.get(id)?.(answer),
  };
}

function parse(line: string): v.InferOutput<typeof requestShape> | null {
  try {
    const result = v.safeParse(requestShape, JSON.parse(line));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}
