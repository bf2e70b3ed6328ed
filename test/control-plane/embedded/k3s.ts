#!/usr/bin/env node
/**
 * The embedded stand-in for k3s: k3s's command line, files and datastore in TypeScript, so that the
 * demo and the process tests run anywhere in seconds. README.md says what is as on k3s and what
 * is not; ../real/ has the real datastore and API server.
 *
 *   node test/control-plane/embedded/k3s.ts server --data-dir DIR --token TOKEN …
 *
 * Exit status: 0 after SIGTERM or SIGINT, 1 on every refusal, with one line on stderr.
 */
import { isBatonError } from '../../../shared/errors/baton-error.ts';
import { runAgent } from './agent.ts';
import { agentConfiguration, serverConfiguration } from './configuration.ts';
import { usageError } from './flags.ts';
import { fatal, info } from './log.ts';
import { runServer } from './server.ts';
import { versionText } from './version.ts';

const usageText = `usage: k3s.ts server [flags] | agent [flags] | --version
A stand-in for k3s in tests. Flags are those of k3s; see README.md.`;

/** Aborted by SIGTERM or SIGINT; a second signal exits at once. */
const untilSignal = (): AbortSignal => {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      info(`Received ${signal}, shutting down`);
      if (controller.signal.aborted) process.exit(1);
      controller.abort();
    });
  }
  return controller.signal;
};

const dispatch = async ([command = '', ...args]: readonly string[]): Promise<void> => {
  if (['--version', '-v', 'version'].includes(command)) {
    process.stdout.write(versionText());
    return;
  }
  if (['--help', '-h', 'help'].includes(command)) {
    process.stdout.write(`${usageText}\n`);
    return;
  }
  const stop = untilSignal();
  if (command === 'server') return runServer(await serverConfiguration(args, process.env), stop);
  if (command === 'agent') return runAgent(await agentConfiguration(args, process.env), stop);
  throw usageError(
    command === '' ? `no command given\n${usageText}` : `unknown command "${command}"`,
  );
};

try {
  await dispatch(process.argv.slice(2));
} catch (error) {
  fatal(isBatonError(error) ? error.message : String(error));
  process.exitCode = 1;
}
