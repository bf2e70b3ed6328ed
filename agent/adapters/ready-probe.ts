/**
 * Asks the server of this machine for `/readyz` until it says 200.
 *
 * The certificate is not checked: the question goes to this machine itself, right after its own
 * process was started, and nothing secret is sent. Source: Kubernetes API health endpoints
 * (`/readyz` answers without authentication by default).
 */
import { request } from 'node:https';
import type { Clock } from '../../shared/ports/clock.ts';
import { milliseconds } from '../../shared/time/duration.ts';
import type { ReadyProbe } from '../actions/steps.ts';

/** Each of these is a part of the API gap; a refused connection costs next to nothing. */
const PAUSE = milliseconds(50);
/** One question; a server under its first load may be slow. */
const ANSWER_LIMIT_MS = 2000;

export interface ReadyTarget {
  readonly host: string;
  readonly port: number;
}

export function readyProbe(target: ReadyTarget, clock: Clock): ReadyProbe {
  return {
    async untilReady(bound, signal) {
      const began = clock.now();
      let last = 'not asked yet';
      while (!signal.aborted) {
        last = await ask(target, signal);
        const took = clock.now() - began;
        if (last === '200') return { ok: true, detail: `ready after ${took} ms` };
        if (took >= bound) {
          return { ok: false, detail: `not ready after ${took} ms (last answer: ${last})` };
        }
        await new Promise<void>((resolve) => clock.in(PAUSE, resolve));
      }
      return { ok: false, detail: String(signal.reason) };
    },
  };
}

/** The status of one answer, or why there was none. */
function ask(target: ReadyTarget, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const options = {
      ...target,
      path: '/readyz',
      rejectUnauthorized: false,
      agent: false,
      timeout: ANSWER_LIMIT_MS,
      signal,
    };
    const question = request(options, (answer) => {
      answer.resume();
      resolve(String(answer.statusCode ?? 0));
    });
    question.on('timeout', () => question.destroy());
    question.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    question.end();
  });
}
