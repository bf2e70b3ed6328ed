/** Programs of the host, with their words in the error when one fails. */
import { execFile, execFileSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { promisify } from 'node:util';
import { BatonError } from '../../../shared/errors/baton-error.ts';

export const labProblem = (message: string): BatonError =>
  new BatonError('process-failed', 'operational', message, { context: {} });

interface Failure {
  readonly stderr?: string;
  readonly message: string;
}

const described = (command: string, args: readonly string[], error: unknown): BatonError => {
  const { stderr, message } = error as Failure;
  const words = stderr?.trim() || message;
  return labProblem(`${command} ${args.join(' ')} failed: ${words}`);
};

/** Standard output. Errors: `process-failed` with the program's own words. */
export const run = (command: string, args: readonly string[], input?: string): string => {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(input === undefined ? {} : { input }),
    });
  } catch (error) {
    throw described(command, args, error);
  }
};

const MOST_OUTPUT = 64 * 1024 * 1024;

/** As `run`, without stopping the observer meanwhile. `stop` ends the program, and waits for it. */
export const runAside = async (
  command: string,
  args: readonly string[],
  timeoutMs = 120_000,
  stop?: AbortSignal,
): Promise<string> => {
  stop?.throwIfAborted();
  const options = { encoding: 'utf8', timeout: timeoutMs, maxBuffer: MOST_OUTPUT } as const;
  const going = promisify(execFile)(command, args, options);
  const end = (): void => void going.child.kill();
  stop?.addEventListener('abort', end);
  try {
    return (await going).stdout;
  } catch (error) {
    throw described(command, args, error);
  } finally {
    stop?.removeEventListener('abort', end);
  }
};

/** As `run`; what fails is not there to be undone any more. */
export const tryRun = (command: string, args: readonly string[]): void => {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
  } catch {
    // Cleaning up: gone already, or never made.
  }
};

/** Processes that run or wait for a processor, of the last minute. */
export const loadPerCore = (): number => (loadavg()[0] ?? 0) / availableParallelism();
