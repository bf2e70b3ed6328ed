#!/usr/bin/env node
/**
 * The `baton` command: wires the real terminal, clock, files and control socket to run.ts.
 *
 * Sources: the conventions of command line programs (clig.dev): output for programs on standard
 * output, words for people on standard error, 130 is left to the shell.
 */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../shared/adapters/system-clock.ts';
import { systemFiles } from '../../shared/adapters/system-files.ts';
import { askAgent } from './adapters/control-client.ts';
import { askOnTerminal, terminalOutput } from './adapters/terminal.ts';
import { run } from './run.ts';
import type { World } from './world.ts';

const clock = systemClock();
const interrupted: (() => void)[] = [];

const world: World = {
  environment: process.env,
  clock,
  files: systemFiles(),
  randomBytes: (bytes) => new Uint8Array(randomBytes(bytes)),
  control: (socketPath, request) => askAgent(clock, socketPath, request),
  output: terminalOutput(process.stdout, process.env),
  complain: (line) => void process.stderr.write(`${line}\n`),
  ask: askOnTerminal,
  onInterrupt: (stop) => {
    interrupted.push(stop);
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  },
};

// `baton status --watch | head` closes the pipe: that is an end, not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exitCode = 0;
  for (const stop of interrupted) stop();
});

process.exitCode = await run(world, process.argv.slice(2));
// A question to a frozen agent may still be open; what was printed is written out first.
process.stdout.write('', () => process.exit());
