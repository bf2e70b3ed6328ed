/**
 * Everything the `baton` command touches outside itself, so that each verb can be tried without a
 * terminal, a socket or a clock. main.ts gives the real one.
 */
import type { Clock } from '../../shared/ports/clock.ts';
import type { Files } from '../../shared/ports/files.ts';
import type { ControlRequest } from './control.ts';
import type { Look } from './layout/lines.ts';

/** 0 done, 1 failed or refused, 2 the call was wrong, 3 the agent could not be asked. */
export type Exit = 0 | 1 | 2 | 3;

/** The answer's text, or why there is none in words for a person. */
export type ControlOutcome =
  | { readonly ok: true; readonly line: string }
  | { readonly ok: false; readonly message: string };

export interface World {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly files: Files;
  /** `bytes` bytes from the operating system's generator, for keys. */
  randomBytes(bytes: number): Uint8Array;
  /** Sends one request to the agent behind `socketPath` and waits for its line. */
  control(socketPath: string, request: ControlRequest): Promise<ControlOutcome>;
  readonly output: Output;
  /** One line on standard error. */
  complain(line: string): void;
  /** A question on the terminal; null when nobody can answer (no terminal, end of input). */
  ask(question: string): Promise<string | null>;
  /** Runs `stop` when the person interrupts (Ctrl-C) or the output's reader has gone. */
  onInterrupt(stop: () => void): void;
}

export interface Output {
  /** Read anew for each picture: a terminal may be resized. */
  look(): Look;
  readonly isTerminal: boolean;
  /** Lines with a line end each. */
  print(lines: readonly string[]): void;
  /** Replaces the picture shown before it; on anything but a terminal, prints after a blank. */
  redraw(lines: readonly string[]): void;
}
