#!/usr/bin/env node
/**
 * The daemon baton-coordinator: wires real clock, files and log to coordinator.ts.
 *
 *   baton-coordinator [--settings FILE]
 *
 * Exit status: see start-up.ts. A broken invariant ends it with a stack; systemd starts it again.
 * Run with `--max-semi-space-size=1 --optimize-for-size --v8-pool-size=1` and MALLOC_ARENA_MAX=1
 * it stays small (DESIGN section 10).
 */
import { parseArgs } from 'node:util';
import { serviceLog } from '../shared/adapters/service-log.ts';
import { serviceNotify } from '../shared/adapters/service-notify.ts';
import { systemClock } from '../shared/adapters/system-clock.ts';
import { systemFiles } from '../shared/adapters/system-files.ts';
import { systemProcesses } from '../shared/adapters/system-processes.ts';
import { isBatonError } from '../shared/errors/baton-error.ts';
import { milliseconds } from '../shared/time/duration.ts';
import { version } from '../shared/version.ts';
import { startCoordinator } from './coordinator.ts';
import { memoryFigures } from './memory-figures.ts';
import { exitStatus, readStartUp } from './start-up.ts';

const USAGE = 'baton-coordinator [--settings FILE] [--version] [--help]';
/** Ending takes milliseconds; a peer that holds it up longer is left behind. */
const CLOSE_LIMIT = milliseconds(3000);

const fail = (status: number, lines: readonly string[]): never => {
  process.stderr.write(`${lines.map((line) => `baton-coordinator: ${line}`).join('\n')}\n`);
  process.exit(status);
};

const settingsFile = (): string => {
  try {
    const { values } = parseArgs({
      options: {
        settings: { type: 'string', default: '/etc/baton/coordinator.yaml' },
        version: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.version || values.help) {
      process.stdout.write(`${values.help ? `usage: ${USAGE}` : version}\n`);
      process.exit(0);
    }
    return values.settings;
  } catch (error) {
    // parseArgs throws TypeErrors whose text names the wrong option.
    const text = error instanceof Error ? error.message : String(error);
    return fail(exitStatus.needsPerson, [text, `usage: ${USAGE}`]);
  }
};

process.title = 'baton-coordinator';
const { env: environment } = process;
const clock = systemClock();
const files = systemFiles();
const startUp = readStartUp(files, settingsFile());
if (!startUp.ok) fail(exitStatus.needsPerson, startUp.lines);
else {
  const { settings, keys } = startUp;
  const log = serviceLog({ name: 'baton-coordinator', level: settings.log.level, environment });
  const notify = serviceNotify({ processes: systemProcesses(), clock }, environment);
  process.on('uncaughtException', (error) => {
    log.fatal({ error: error.stack }, `a bug of baton ended the coordinator: ${error.message}`);
    process.exit(exitStatus.failed);
  });
  const memory = () => memoryFigures(files.read('/proc/self/status'));
  const starting = startCoordinator({ settings, keys, clock, log, memory }).catch(
    (error: unknown) => {
      if (!isBatonError(error) || error.kind === 'invariant') throw error;
      return fail(exitStatus.failed, [error.message]);
    },
  );
  // From here on, not once it listens: an end that comes during the start is an end too.
  let ending = false;
  const end = (signal: string): void => {
    // A second signal means that somebody does not want to wait.
    if (ending) process.exit(exitStatus.failed);
    ending = true;
    log.info({ signal }, `${signal}: the coordinator ends; the cluster goes on without it`);
    notify.stopping();
    notify.close();
    clock.in(CLOSE_LIMIT, () => process.exit(exitStatus.stopped));
    void starting
      .then((coordinator) => coordinator.close())
      .then(() => process.exit(exitStatus.stopped));
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);

  const { port, readerPort } = await starting;
  log.info(
    { node: settings.node.name, port, readerPort, version },
    `the coordinator on ${settings.node.name} listens on port ${port}` +
      (readerPort === null ? '' : `, for readers on this machine on port ${readerPort}`),
  );
  notify.ready();
}
