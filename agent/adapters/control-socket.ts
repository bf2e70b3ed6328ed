/**
 * The control socket in the run folder: how the `baton` command talks to the agent of its machine.
 *
 * One JSON line in, one JSON line out, then the connection ends. Permissions are the file's: mode
 * 0660, the group of the run folder. Input is bounded in length, time and number of connections,
 * so that nobody in the group can make the agent grow. What a line means is
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
const CONNECTION_LIMIT = 16;
/** An open connection that neither asks nor is answered. */
const IDLE_MS = 120_000;

export interface ControlSocket {
  close(): Promise<void>;
}

/** Answers one line with a JSON-safe value. Rejects as the world fails; our own bugs go through. */
export type ControlHandler = (line: string) => Promise<unknown>;

export async function listenControl(path: string, handler: ControlHandler): Promise<ControlSocket> {
  if (await answers(path)) throw taken(path);
  rmSync(path, { force: true });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    serve(socket, handler);
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

function serve(socket: Socket, handler: ControlHandler): void {
  let text = '';
  let asked = false;
  socket.setEncoding('utf8');
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: string) => {
    if (asked) return;
    text += chunk;
    const end = text.indexOf('\n');
    if (end < 0 && text.length <= CONTROL_LINE_LIMIT) return;
    asked = true;
    if (end < 0 || end > CONTROL_LINE_LIMIT) {
      answer(socket, { ok: false, text: `a request is one line of at most ${CONTROL_LINE_LIMIT}` });
      return;
    }
    handler(text.slice(0, end))
      .then((value) => answer(socket, value))
      .catch((error: unknown) => {
        if (isBatonError(error) && error.kind !== 'invariant') {
          answer(socket, { ok: false, text: error.message });
          return;
        }
        // Our own bug: nothing goes on in an unknown state. main.ts logs it and ends the process.
        socket.destroy();
        throw error;
      });
  });
}

function answer(socket: Socket, value: unknown): void {
  if (!socket.destroyed) socket.end(`${JSON.stringify(value)}\n`);
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
