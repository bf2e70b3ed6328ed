/**
 * One control group per machine, in the unified hierarchy and, where the host still has it, in
 * systemd's named one. The machine's whole power is in there: `cgroup.kill` is the pulled plug,
 * `cgroup.freeze` a machine that hangs as a whole.
 *
 * No controllers are needed; nothing is limited. Source: cgroup-v2 (kernel documentation).
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../wait-for.ts';
import { labProblem } from './host.ts';

/** The kernel needs milliseconds, and on a host without a free processor a long time. */
const KILL_LIMIT_MS = 60_000;
const FREEZE_LIMIT_MS = 60_000;

/** Mount points of the hierarchies: [unified, named?]. */
const hierarchies = (): string[] => {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  const find = (test: (type: string, options: string) => boolean): string[] =>
    mounts
      .map((line) => line.split(' '))
      .filter(([, , type = '', options = '']) => test(type, options))
      .map(([, place = '']) => place);
  const [unified] = find((type) => type === 'cgroup2');
  if (unified === undefined) throw labProblem('no cgroup2 hierarchy is mounted on this machine');
  const named = find((type, options) => type === 'cgroup' && options.includes('name=systemd'));
  return [unified, ...named.slice(0, 1)];
};

/** Removes a group with everything below it; groups with processes stay. */
const removeGroup = (path: string): void => {
  if (!existsSync(path)) return;
  for (const name of readdirSync(path)) {
    const below = join(path, name);
    if (statSync(below).isDirectory()) removeGroup(below);
  }
  try {
    rmdirSync(path);
  } catch {
    // A process is still on its way out; the next clean-up takes it.
  }
};

/** Folder of every run's groups. */
export const groupName = (run: string): string => `baton-lab-${run}`;

/** Ends what is left in a run's groups and removes them. */
export const removeGroups = async (run: string): Promise<void> => {
  for (const [index, mount] of hierarchies().entries()) {
    const path = join(mount, groupName(run));
    if (!existsSync(path)) continue;
    if (index === 0) {
      writeFileSync(join(path, 'cgroup.kill'), '1');
      await waitFor(`the end of ${path}`, KILL_LIMIT_MS, () => !says(path, 'populated 1'));
    }
    removeGroup(path);
  }
};

/** Names of all groups at the top, of runs and others. */
export const groupNames = (): string[] => hierarchies().flatMap((mount) => readdirSync(mount));

export class ControlGroup {
  readonly #paths: readonly string[];
  readonly #unified: string;

  constructor(run: string, name: string) {
    this.#paths = hierarchies().map((mount) => join(mount, groupName(run), name));
    this.#unified = this.#paths[0] ?? '';
  }

  /** Files that a process writes its pid into to be inside. */
  make(): string[] {
    for (const path of this.#paths) mkdirSync(path, { recursive: true });
    return this.#paths.map((path) => join(path, 'cgroup.procs'));
  }

  /** SIGKILL to everything, at one stroke. Resolves with the wall clock at the stroke, in ms. */
  async kill(): Promise<number> {
    const atMs = Date.now();
    writeFileSync(join(this.#unified, 'cgroup.kill'), '1');
    await waitFor('the end of a machine without power', KILL_LIMIT_MS, () => !this.populated());
    return atMs;
  }

  /**
   * Freezes or thaws everything. Resolves when it is done, with the wall clock before it, in ms.
   */
  async freeze(frozen: boolean): Promise<number> {
    const atMs = Date.now();
    writeFileSync(join(this.#unified, 'cgroup.freeze'), frozen ? '1' : '0');
    const wanted = frozen ? 'frozen 1' : 'frozen 0';
    await waitFor(`cgroup.events: ${wanted}`, FREEZE_LIMIT_MS, () => this.#says(wanted));
    return atMs;
  }

  populated(): boolean {
    return this.#says('populated 1');
  }

  remove(): void {
    for (const path of this.#paths) removeGroup(path);
  }

  #says(line: string): boolean {
    return says(this.#unified, line);
  }
}

/** Whether a group's `cgroup.events` has that line. */
const says = (group: string, line: string): boolean => {
  const path = join(group, 'cgroup.events');
  return existsSync(path) && readFileSync(path, 'utf8').split('\n').includes(line);
};
