/**
 * The control socket in the run folder: how the `baton` command talks to the agent of its machine.
 *
 * One JSON line in, one JSON line out, then the connection ends. Permissions are the file's: mode
 * 0660, the group of the run folder. Input is bounded in length, in the time of each phase, and in
 * connections, so that nobody in the group can make the agent grow. What a line means is
 * agent/actions/control.ts.
 *
 * Errors: `port-in-use` when another agent answers on the path. A socket file that nobody answers
 * on is left over from a killed agent and is replaced. Source: unix(7).
 */
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { BatonError, isBatonError } from '../../shared/errors/baton-error.ts';

/** Longest line taken; commands are far shorter. */
export const CONTROL_LINE_LIMIT = 16 * 1024;
export const CONNECTION_LIMIT = 16;

export interface ControlTimes {
  /** From the connection to the whole line; a client that says nothing takes up a place. */
  readonly askMs: number;
  /** From the line to the answer; agent/actions/control.ts gives up after 120 s, and says so. */
  readonly answerMs: number;
  /** From the answer to the end of a connection whose client does not read. */
  readonly readMs: number;
}
const TIMES: ControlTimes = { askMs: 5000, answerMs: 150_000, readMs: 5000 };

export interface ControlSocket {
  close(): Promise<void>;
}

/** Answers one line with a JSON-safe value. Rejects as the world fails; our own bugs go through. */
export type ControlHandler = (line: string) => Promise<unknown>;

/** `times` differ from what ships only in tests. */
export async function listenControl(
  path: string,
  handler: ControlHandler,
  times: ControlTimes = TIMES,
): Promise<ControlSocket> {
  if (await answers(path)) throw taken(path);
  rmSync(path, { force: true });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    serve(socket, handler, times);
  });
  server.maxConnections = CONNECTION_LIMIT;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(cause.code === 'EADDRINUSE' ? taken(path) : notBound(path, cause));
    });
    server.listen(path, resolve);
  });
  chmodSync(path, 0o660);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** Ends the connection when a phase lasts too long, however many bytes trickle in meanwhile. */
function phases(socket: Socket): (limitMs: number) => void {
  let limit: NodeJS.Timeout | undefined;
  socket.once('close', () => clearTimeout(limit));
  return (limitMs) => {
    clearTimeout(limit);
    limit = setTimeout(() => socket.destroy(), limitMs);
  };
}

function serve(socket: Socket, handler: ControlHandler, times: ControlTimes): void {
  let text = '';
  let asked = false;
  const within = phases(socket);
  const answer = (value: unknown): void => {
    if (socket.destroyed) return;
    within(times.readMs);
    socket.end(`${JSON.stringify(value)}\n`);
  };
  within(times.askMs);
  socket.setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: string) => {
    if (asked) return;
    text += chunk;
    const end = text.indexOf('\n');
    if (end < 0 && text.length <= CONTROL_LINE_LIMIT) return;
    asked = true;
    within(times.answerMs);
    if (end < 0 || end > CONTROL_LINE_LIMIT) {
      answer({ ok: false, text: `a request is one line of at most ${CONTROL_LINE_LIMIT}` });
      return;
    }
    handler(text.slice(0, end))
      .then(answer)
      .catch((error: unknown) => {
        if (isBatonError(error) && error.kind !== 'invariant') {
          answer({ ok: false, text: error.message });
          return;
        }
        // Our own bug: nothing goes on in an unknown state. main.ts logs it and ends the process.
        socket.destroy();
        throw error;
      });
  });
}

/** Whether somebody listens on the path now. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

const taken = (path: string): BatonError =>
  new BatonError(
    'port-in-use',
    'operational',
    `another baton agent answers on ${path} - two agents on one machine would fight over the ` +
      'server - stop the other one, or give this one its own paths.run_dir',
    { context: { path } },
  );

const notBound = (path: string, cause: NodeJS.ErrnoException): BatonError =>
  new BatonError(
    cause.code === 'EACCES' ? 'permission-denied' : 'input-output',
    'operational',
    `the control socket ${path} cannot be opened (${cause.code ?? 'unknown'}) - the baton ` +
      'command cannot reach this agent - check that the run folder exists and belongs to baton',
    { context: { path }, cause },
  );
