/**
 * The programs of a process lab: Node 24, the daemons' bundles and the control plane.
 *
 * The bundles are built by test/build.mjs, so that what is measured is what is shipped.
 */
import { execFileSync } from 'node:child_process';
import { accessSync, chmodSync, constants, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BatonError } from '../../shared/errors/baton-error.ts';
import { controlPlanePath } from '../control-plane/real/build.mjs';

export const ROOT = join(import.meta.dirname, '../..');

/** The flags that DESIGN section 10 measured the daemons with. */
export const DAEMON_FLAGS = ['--max-semi-space-size=1', '--optimize-for-size', '--v8-pool-size=1'];
export const DAEMON_ENVIRONMENT = { MALLOC_ARENA_MAX: '1' };

export interface Programs {
  readonly agent: string;
  readonly coordinator: string;
}

const problem = (message: string): BatonError =>
  new BatonError('process-failed', 'operational', message, { context: {} });

/**
 * Builds the bundles into `folder`: a lab has its own, which no build beside it replaces while
 * nodes restart. Errors: `process-failed` with the builder's words.
 */
export const buildPrograms = (folder: string): Programs => {
  const names = ['baton-agent', 'baton-coordinator'];
  try {
    execFileSync(process.execPath, [join(ROOT, 'test/build.mjs'), '--out', folder, ...names], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    throw problem(`the daemons could not be bundled, so nothing can start:\n${stderr.trim()}`);
  }
  const [agent = '', coordinator = ''] = names.map((name) => join(folder, `${name}.mjs`));
  return { agent, coordinator };
};

export interface ControlPlane {
  /** `embedded`, `real`, or the path that was given. */
  readonly name: string;
  /** First line of `--version`. */
  readonly version: string;
  /** An executable that speaks k3s's command line. */
  readonly command: string;
}

const versionOf = (command: string): string => {
  try {
    const text = execFileSync(command, ['--version'], { encoding: 'utf8', timeout: 30_000 });
    return text.split('\n')[0]?.trim() ?? '';
  } catch (error) {
    throw problem(
      `"${command} --version" failed, so it is no k3s (${String(error).split('\n')[0]}) - give ` +
        'the path of one, or use --k3s embedded',
    );
  }
};

/** The embedded stand-in as a program: a script that names our Node, whatever `node` is here. */
const embeddedCommand = (folder: string): string => {
  const command = join(folder, 'k3s-embedded');
  const program = join(ROOT, 'test/control-plane/embedded/k3s.ts');
  writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
  chmodSync(command, 0o755);
  return command;
};

const realCommand = async (log: (line: string) => void): Promise<string> => {
  const found = await controlPlanePath({ log });
  if (!found.ok) throw problem(found.reason);
  return found.path;
};

/**
 * `choice` is `embedded`, `real` (built when it is not there yet) or a path; scripts go to
 * `folder`. Errors: `process-failed` when there is no such program.
 */
export const findControlPlane = async (
  choice: string,
  folder: string,
  log: (line: string) => void,
): Promise<ControlPlane> => {
  if (choice === 'embedded') {
    const command = embeddedCommand(folder);
    return { name: 'embedded', version: versionOf(command), command };
  }
  const command = choice === 'real' ? await realCommand(log) : resolve(choice);
  try {
    accessSync(command, constants.X_OK);
  } catch {
    throw problem(
      `--k3s ${choice}: ${command} is not an executable - say embedded, real or a path`,
    );
  }
  return { name: choice, version: versionOf(command), command };
};
