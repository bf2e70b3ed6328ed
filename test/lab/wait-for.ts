/** Waiting for what must come, with a bound and words for when it does not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BatonError } from '../../shared/errors/baton-error.ts';

const PERIOD_MS = 10;

/**
 * Polls until `check` gives something. Errors: `process-failed` naming `what`, after `limitMs`, or
 * at once with the reason of `signal`.
 */
export const waitFor = async <T>(
  what: string,
  limitMs: number,
  check: () => T | null | undefined | false,
  signal?: AbortSignal,
): Promise<T> => {
  const end = performance.now() + limitMs;
  for (;;) {
    signal?.throwIfAborted();
    const found = check();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > end) {
      throw new BatonError(
        'process-failed',
        'operational',
        `${what} did not happen within ${limitMs / 1000} s`,
        { context: { what, limitMs } },
      );
    }
    await sleep(PERIOD_MS);
  }
};
