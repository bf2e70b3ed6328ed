/**
 * Real programs: no shell, `LC_ALL=C`, output capped, always a time limit.
 *
 * A program that runs out of time is killed with its whole process group, so that a grandchild
 * which holds the output open cannot keep `run` waiting. `start` leaves groups alone: a signal
 * reaches the process itself, as systemd does for k3s (`KillMode=process`).
 *
 * Does not promise that a program's children are gone when it is.
 * Source: spawn in node:child_process, proc_pid_stat(5).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { BatonError, invariant } from '../errors/baton-error.ts';
import type { Processes, ProcessResult, RunningProcess, StartOptions } from '../ports/processes.ts';
import { errnoOf, fromErrno } from './errno.ts';

/** Per stream; what a program says beyond it is read and dropped. */
export const OUTPUT_LIMIT = 1024 * 1024;
/** Input of a long-lived child that may wait in memory before lines are refused. */
const INPUT_LIMIT = 64 * 1024;
// After the program's end its output can be held open by a grandchild; this long is waited.
const LAST_OUTPUT_MS = 500;

const environmentOf = (extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  LC_ALL: 'C',
  ...extra,
});

const notStarted = (command: string, cause: unknown): BatonError => {
  const errno = errnoOf(cause);
  const reason = errno === null ? 'not there, not executable, or out of resources' : errno;
  return new BatonError(
    'process-failed',
    'operational',
    `cannot start ${command}: ${reason} - check that it is installed and on the PATH`,
    { context: { command, errno }, cause },
  );
};

/** Collects a stream up to the limit; the text is whole characters of what was kept. */
function collect(stream: Readable | null): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    const kept = chunk.subarray(0, OUTPUT_LIMIT - size);
    size += kept.length;
    if (kept.length > 0) chunks.push(kept);
  });
  return () => new TextDecoder().decode(Buffer.concat(chunks));
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') child.kill('SIGKILL');
  }
}

const run: Processes['run'] = (command, args, options) =>
  new Promise<ProcessResult>((resolve, reject) => {
    const child = spawn(command, args, {
      env: environmentOf(options.environment),
      stdio: 'pipe',
      detached: true,
    });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    let timedOut = false;
    const limit = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, options.timeout);
    child.on('error', (error) => {
      clearTimeout(limit);
      reject(notStarted(command, error));
    });
    child.on('exit', () => {
      clearTimeout(limit);
      const last = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, LAST_OUTPUT_MS);
      child.on('close', () => clearTimeout(last));
    });
    child.on('close', (code, signal) =>
      resolve({ code, signal, stdout: stdout(), stderr: stderr(), timedOut }),
    );
    // A program that ends without reading its input is no failure of ours.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });

function start(command: string, args: readonly string[], options: StartOptions): RunningProcess {
  const { logFile, detached = false, onOutput, onErrors } = options;
  const log = logFile === undefined ? 'ignore' : openLog(logFile);
  let child: ChildProcess;
  try {
    child = spawn(command, args, {
      env: environmentOf(options.environment),
      ...(options.workingDirectory === undefined ? {} : { cwd: options.workingDirectory }),
      // Nothing may tie a child that outlives us to our end of a pipe.
      stdio: [
        detached ? 'ignore' : 'pipe',
        onOutput === undefined ? log : 'pipe',
        onErrors === undefined ? log : 'pipe',
      ],
      detached,
    });
  } catch (error) {
    throw notStarted(command, error);
  } finally {
    if (typeof log === 'number') closeSync(log);
  }
  // Node reports a failed start later; without a pid it is known now.
  child.on('error', () => undefined);
  const { pid, stdin, stdout, stderr } = child;
  if (onOutput !== undefined) stdout?.setEncoding('utf8').on('data', onOutput);
  if (onErrors !== undefined) stderr?.setEncoding('utf8').on('data', onErrors);
  if (pid === undefined) throw notStarted(command, null);
  stdin?.on('error', () => undefined);
  if (detached) child.unref();
  return {
    pid,
    write: (line) => {
      if (!stdin?.writable || stdin.writableLength > INPUT_LIMIT) return false;
      stdin.write(`${line}\n`);
      return true;
    },
    kill: (signal) => {
      child.kill(signal);
    },
    exited: new Promise((resolve) => {
      child.on('exit', (code, signal) => resolve({ code, signal }));
    }),
  };
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o640);
  } catch (error) {
    throw fromErrno(error, `open the log ${path}`, path);
  }
}

/** State letter and start time from /proc/PID/stat; null when there is no such process. */
function readStat(pid: number): { state: string; startTicks: string } | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The name in parentheses may hold blanks and parentheses; fields 3 and 22 come after it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  return state === undefined || startTicks === undefined ? null : { state, startTicks };
}

/** Without /proc (a Mac that runs the demo) the start time is what ps tells, to the second. */
function startFromPs(pid: number): string | null {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

/** A zombie has ended: nobody may ever collect it in a container without a real init. */
const startTicks: Processes['startTicks'] = (pid) => {
  if (process.platform !== 'linux') return startFromPs(pid);
  const stat = readStat(pid);
  return stat === null || stat.state === 'Z' || stat.state === 'X' ? null : stat.startTicks;
};

const signal: Processes['signal'] = (pid, name) => {
  invariant(Number.isSafeInteger(pid) && pid > 1, 'a signal goes to one process', { pid, name });
  if (name === 'probe') return startTicks(pid) !== null;
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw fromErrno(error, `send ${name} to process ${pid}`, `/proc/${pid}`);
  }
};

/**
 * `run` rejects and `start` throws `process-failed` when the program cannot be started at all;
 * a program that fails is a result. `write` is false once the input is closed or too much waits.
 */
export const systemProcesses = (): Processes => ({ run, start, signal, startTicks });
