/**
 * What the lab's commands (demo, bench, machines) have in common around their work: Ctrl-C takes
 * everything away, errors are told in one line, and the exit status says whose fault it was.
 */
import { setImmediate } from 'node:timers/promises';
import { isBatonError } from '../../shared/errors/baton-error.ts';

/** A mistake in the call, or a machine on which the command can't run. */
const isWrongCall = (error: unknown): boolean =>
  isBatonError(error) && (error.kind === 'usage' || error.code === 'port-in-use');

/** A bug of ours is told with its stack, what is meant for people without. */
const words = (error: unknown): unknown =>
  isBatonError(error) ? error.message : ((error as Error).stack ?? error);

/**
 * Runs `main` and sets this process's exit status: what `main` resolves with; 130 when it threw
 * because of a signal, 2 when the call or the machine is wrong, 1 on any other error.
 */
export const runCommand = async (main: (signal: AbortSignal) => Promise<number>): Promise<void> => {
  const control = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => control.abort(signal));
  }
  try {
    process.exitCode = await main(control.signal);
  } catch (error) {
    // A signal that ended a program we were waiting for has had no turn of the event loop yet.
    await setImmediate();
    if (control.signal.aborted) {
      console.log(`ended by ${String(control.signal.reason)}; nothing is left behind`);
      process.exitCode = 130;
    } else {
      console.error(`error: ${words(error)}`);
      process.exitCode = isWrongCall(error) ? 2 : 1;
    }
  }
};
