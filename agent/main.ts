/**
 * baton-agent: one per node. This file wires; agent/loop.ts runs; agent/core/mastership.ts decides.
 *
 *   node agent/main.ts --settings /etc/baton/agent.yaml
 *
 * SIGTERM and SIGINT: an orderly end (the role goes to another node first, then the vote). SIGHUP:
 * ends and leaves everything as it is, server included; the next start in the same boot goes on
 * where this one was (an upgrade). A second signal ends at once.
 * Exit status: 0 after a signal, 1 when the start or the running failed, 2 for what a person has
 * to mend in settings or key. A broken invariant ends the process too: systemd starts it again.
 */

import { type ServiceLog, serviceLog } from '../shared/adapters/service-log.ts';
import { serviceNotify } from '../shared/adapters/service-notify.ts';
import { systemClock } from '../shared/adapters/system-clock.ts';
import { systemFiles } from '../shared/adapters/system-files.ts';
import { systemProcesses } from '../shared/adapters/system-processes.ts';
import { systemRandom } from '../shared/adapters/system-random.ts';
import { invariant, isBatonError } from '../shared/errors/baton-error.ts';
import { version } from '../shared/version.ts';
import { type Finding, findingBook } from './actions/findings.ts';
import { coreConfig } from './config.ts';
import type { AgentEvent } from './core/types.ts';
import { type Agent, runAgent } from './wiring/agent.ts';
import type { Place, Ports } from './wiring/place.ts';
import { type Arguments, readArguments, type StartUp, startUp, USAGE } from './wiring/start-up.ts';

// mqtt-packet keeps a slice of two bytes per packet length it has seen, and each pins a whole pool:
// 64 KiB by default, which was half a megabyte a minute.
Buffer.poolSize = 2048;

const ports: Ports = {
  clock: systemClock(),
  random: systemRandom(),
  files: systemFiles(),
  processes: systemProcesses(),
};

/** Beside the source in a checkout, beside the bundle on a machine. */
function shippedScript(name: string): string {
  const places = ['../systemd', '.'].map((folder) => `${import.meta.dirname}/${folder}/${name}`);
  return places.find((path) => ports.files.exists(path)) ?? `/usr/lib/baton/${name}`;
}

interface Wired {
  readonly place: Place;
  /** The loop takes events from here on. */
  readonly connect: (post: (event: AgentEvent) => void) => void;
  readonly addFindings: (part: () => readonly Finding[]) => void;
}

function wire({ settings, keyring, bootId }: Extract<StartUp, { ok: true }>): Wired {
  const environment = process.env;
  const log = serviceLog({ name: 'baton-agent', level: settings.log.level, environment });
  const config = coreConfig(settings);
  const self = settings.cluster.nodes.find(({ name }) => name === config.node);
  invariant(self !== undefined, 'settings that were accepted list their own node');
  const parts: (() => readonly Finding[])[] = [];
  const findings = findingBook([() => parts.flatMap((part) => part())], ({ code, text }) =>
    log.warn({ code }, text),
  );
  let post: (event: AgentEvent) => void = () => {};
  const place: Place = {
    ...ports,
    settings,
    config,
    self,
    keyring,
    environment,
    bootId,
    log,
    findings,
    post: (event) => post(event),
    script: shippedScript,
  };
  return {
    place,
    connect: (given) => {
      post = given;
    },
    addFindings: (part) => parts.push(part),
  };
}

/** Says on standard error what a person has to mend, all of it, and ends with 2. */
function refuse(lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`${line}\n`);
  process.exitCode = 2;
}

/** From the start on: an end that comes before the agent runs waits until it can be orderly. */
function endOnSignals(starting: Promise<Agent>, log: ServiceLog, stopping: () => void): void {
  let ending = false;
  const end = (signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP'): void => {
    if (ending) process.exit(1);
    ending = true;
    stopping();
    log.info({ signal }, `received ${signal}`);
    starting
      .then((agent) => agent.stop(signal === 'SIGHUP' ? 'restart' : 'shutdown'))
      .then(() => process.exit(0))
      .catch((error: unknown) => fail(log, error));
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end);
}

/** The last words: what happened, with its code. The server, if any, stays under its guards. */
function fail(log: ServiceLog, error: unknown): void {
  if (isBatonError(error)) log.fatal({ code: error.code, ...error.context }, error.message);
  else log.fatal({ code: 'invariant-broken', error: String(error) }, String(error));
  if (!isBatonError(error) || error.kind === 'invariant') {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  }
  process.exit(1);
}

async function run(started: Extract<StartUp, { ok: true }>): Promise<void> {
  const { place, connect, addFindings } = wire(started);
  const { log } = place;
  process.on('uncaughtException', (error) => fail(log, error));
  process.on('unhandledRejection', (error) => fail(log, error));
  const notify = serviceNotify(ports, place.environment);
  try {
    const starting = runAgent(place, { connect, addFindings });
    endOnSignals(starting, log, () => notify.stopping());
    await starting;
    notify.ready();
    log.info({ version, node: place.self.name, boot_id: place.bootId }, 'baton-agent runs');
  } catch (error) {
    fail(log, error);
  }
}

function main(given: Arguments): void {
  if (given.kind === 'version') process.stdout.write(`baton-agent ${version}\n`);
  else if (given.kind === 'help') process.stdout.write(`${USAGE}\n`);
  else if (given.kind === 'wrong') refuse([given.text, USAGE]);
  else {
    const started = startUp(ports.files, given.file);
    if (!started.ok) refuse(started.problems);
    else if (given.kind === 'check') process.stdout.write(`${given.file}: ok\n`);
    else void run(started);
  }
}

main(readArguments(process.argv.slice(2)));
