/**
 * The client side of the agent's control socket: one JSON line out, one line back, with limits.
 *
 * Failures come back as words that say what to do, because each of them is a person's everyday:
 * the agent is stopped, the user is not in the group, a container has no socket.
 */
import { connect, type Socket } from 'node:net';
import { errnoOf } from '../../../shared/adapters/errno.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import { seconds } from '../../../shared/time/duration.ts';
import type { ControlRequest } from '../control.ts';
import type { ControlOutcome } from '../world.ts';

/** Largest answer, bytes: some twenty reports with all their reasons are about 400 kB. */
const ANSWER_LIMIT = 8 * 1024 * 1024;
/** A status is answered from memory. */
const STATUS_WAIT = seconds(5);
/** A planned move stops one server, starts another and may wait for a drain. */
const COMMAND_WAIT = seconds(300);

export function askAgent(
  clock: Clock,
  socketPath: string,
  request: ControlRequest,
): Promise<ControlOutcome> {
  const wait = request.verb === 'command' ? COMMAND_WAIT : STATUS_WAIT;
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const timer = clock.in(wait, () =>
      end({
        ok: false,
        message: `the agent did not answer within ${wait / 1000} s: is it frozen?`,
      }),
    );
    const end = (outcome: ControlOutcome): void => {
      timer.cancel();
      socket.destroy();
      resolve(outcome);
    };
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('error', (error) => end({ ok: false, message: inWords(error, socketPath) }));
    collectLine(socket, end);
  });
}

/** Ends with the first line, or with what stood in its way. */
function collectLine(socket: Socket, end: (outcome: ControlOutcome) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  socket.on('data', (chunk: Buffer) => {
    const lineEnd = chunk.indexOf(0x0a);
    chunks.push(lineEnd < 0 ? chunk : chunk.subarray(0, lineEnd));
    size += chunk.length;
    if (lineEnd >= 0) end({ ok: true, line: Buffer.concat(chunks).toString('utf8') });
    else if (size > ANSWER_LIMIT)
      end({ ok: false, message: 'the answer of the agent is too long' });
  });
  socket.on('end', () =>
    end({ ok: false, message: 'the agent closed the connection without an answer' }),
  );
}

function inWords(error: Error, socketPath: string): string {
  switch (errnoOf(error)) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return (
        `the agent of this node is not running (nobody listens on ${socketPath})\n` +
        'start it with: systemctl start baton-agent'
      );
    case 'EACCES':
    case 'EPERM':
      return (
        `you may not talk to the agent (${socketPath})\n` +
        'use sudo, or join the group with: sudo usermod -aG baton "$USER" (and log in again)'
      );
    case 'ENOTSOCK':
      return `${socketPath} is not a socket`;
    default:
      return `the agent cannot be reached at ${socketPath}: ${error.message}`;
  }
}
