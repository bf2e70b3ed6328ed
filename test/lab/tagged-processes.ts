/**
 * Every process of a lab node carries `BATON_LAB=<run>/<node>` in its environment, and so does
 * everything that it starts. That is how a node dies as a whole, and how leftovers are found: no
 * process can leave its environment, however it was detached.
 *
 * Linux only (/proc/PID/environ, readable for processes of the same user). Source: proc(5).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export const TAG = 'BATON_LAB';

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // Ended meanwhile, or another user's.
  }
};

/** Field 3 of /proc/PID/stat; empty when there is no such process. */
const stateOf = (pid: number): string => {
  const text = read(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3);
};

/** A zombie has ended; in a container nobody may ever collect it. */
export const isAlive = (pid: number): boolean => !['', 'Z', 'X'].includes(stateOf(pid));

export interface TaggedProcess {
  readonly pid: number;
  /** `<run>/<node>`. */
  readonly tag: string;
  /** The command line, for people. */
  readonly command: string;
}

/** `''` is every lab, `run/` one of them, `run/node` one node. */
const matches = (tag: string, scope: string): boolean =>
  scope === '' || scope.endsWith('/') ? tag.startsWith(scope) : tag === scope;

/** Living processes of a lab or node: `''` for all labs, `run/` for one, `run/node` for a node. */
export const taggedProcesses = (scope: string): TaggedProcess[] => {
  const found: TaggedProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const entries = read(`/proc/${name}/environ`).split('\0');
    const tag = entries.find((entry) => entry.startsWith(`${TAG}=`))?.slice(TAG.length + 1);
    if (tag === undefined || !matches(tag, scope) || !isAlive(pid)) continue;
    const command = read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim();
    found.push({ pid, tag, command });
  }
  return found;
};

const signalAll = (pids: readonly number[], signal: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // ESRCH: it was faster.
    }
  }
};

/**
 * SIGKILL to all of them, in one go, and again to whatever they started meanwhile, until none is
 * left. Returns the wall clock at the first signal. Errors: none; what survives SIGKILL for 5 s
 * hangs in the kernel and is given back by name.
 */
export const killTagged = async (
  scope: string,
): Promise<{ atMs: number; survivors: TaggedProcess[] }> => {
  let found = taggedProcesses(scope);
  const atMs = Date.now();
  for (let round = 0; found.length > 0 && round < 250; round++) {
    signalAll(
      found.map(({ pid }) => pid),
      'SIGKILL',
    );
    await sleep(round === 0 ? 5 : 20);
    found = taggedProcesses(scope);
  }
  return { atMs, survivors: found };
};

/** What a process uses. `cpuMs` since its start, user and system. */
export interface ProcessUse {
  readonly rssMb: number;
  readonly anonMb: number;
  readonly cpuMs: number;
}

/** Clock ticks are 1/100 s on every Linux that Node runs on (USER_HZ). */
const TICK_MS = 10;

/** VmRSS and RssAnon from status, utime and stime from stat; null when it has ended. */
export const useOf = (pid: number): ProcessUse | null => {
  const status = read(`/proc/${pid}/status`);
  const megabytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024;
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const use = {
    rssMb: megabytes('VmRSS'),
    anonMb: megabytes('RssAnon'),
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
  };
  return Object.values(use).every(Number.isFinite) ? use : null;
};
