/**
 * The one error class of baton.
 *
 * `code` names what happened (listed in shared/errors/registry.ts and, by a test, in its reference
 * page); `kind` says whose fault it is: the world's (`operational`), the caller's or the
 * operator's (`usage`), or ours (`invariant`, which ends the process so that systemd restarts it).
 * The message says what happened, what it means and what to do. Expected outcomes are returned
 * unions, not errors.
 */
import type { ErrorCode } from './registry.ts';

export type ErrorKind = 'operational' | 'usage' | 'invariant';

export class BatonError extends Error {
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    kind: ErrorKind,
    message: string,
    options: { context?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BatonError';
    this.code = code;
    this.kind = kind;
    this.context = options.context ?? {};
  }
}

export const isBatonError = (value: unknown): value is BatonError => value instanceof BatonError;

/** Throws an invariant error when `condition` does not hold; for our own bugs only. */
export function invariant(
  condition: boolean,
  message: string,
  context: Readonly<Record<string, unknown>> = {},
): asserts condition {
  if (!condition) throw new BatonError('invariant-broken', 'invariant', message, { context });
}
