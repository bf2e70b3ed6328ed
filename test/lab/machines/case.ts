/** What a case is, and what several of them ask. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Excuse } from '../ledger.ts';
import type { FleetShape } from './fleet.ts';
import { loadPerCore } from './host.ts';
import type { Machine } from './machine.ts';
import type { Stage } from './stage.ts';
import type { SwitchCost } from './switch-cost.ts';
import { MOST_LOAD } from './verdict.ts';

export interface CaseReport {
  /** Time without the API, ms; null where the case has no change of server. */
  readonly gapMs: number | null;
  /** The gap counts for `api_gap_p50_s`: the master's machine died. */
  readonly powerCut?: boolean;
  /** End of the old server, for what may be lost; null when nothing may be. */
  readonly lossesAtMs: number | null;
  /** Where more, or less, may be lost at that moment than when one server dies. */
  readonly excuse?: Excuse;
  /** Answers of a server that was thawed after another took over. */
  readonly thawedAnswers?: number;
  /** Of the dead man's switch, where the case measures it. */
  readonly switchCost?: SwitchCost;
  /** Claims that this host was too slow to test, each a sentence with the measurement. */
  readonly notJudged?: readonly string[];
  /** Sentences; each makes the case fail. */
  readonly wrong: readonly string[];
}

export interface Case {
  readonly name: string;
  readonly what: string;
  /** May be drawn in `--rounds`. */
  readonly random: boolean;
  /** Another cluster than the command line asks for; then it is never drawn. */
  readonly fleet?: Partial<FleetShape>;
  readonly play: (stage: Stage) => Promise<CaseReport>;
}

export const SERVER_DB = '/var/lib/rancher/k3s/server/db';

/** An answer may be on its way to us at the moment of the fault. */
export const IN_FLIGHT_MS = 500;

/**
 * When every memory is lost at once, what k3s had not synced is gone, as it would be without baton:
 * replicas live in memory. A machine's kernel writes out what has waited for 30 s and looks each
 * 5 s (vm.dirty_expire_centisecs, vm.dirty_writeback_centisecs; ext4 commits each 5 s). What is
 * older than this, on a busy host too, must be there.
 */
export const ON_DISK_MS = 60_000;

/** The gate of a server without a majority is shut by then: the deadline, and a loaded machine. */
export const GATE_MS = 6000;

/** Nothing should pause at all; a loaded host pauses, and a failover takes longer than this. */
export const NO_PAUSE_MS = 5000;
/** Longer than a lease: a failover would have happened. */
export const WATCH_MS = 11_000;

/** The server must not have moved; sentences when it has. */
export const unmoved = async (stage: Stage, before: Machine, epoch: number): Promise<string[]> => {
  const now = await stage.settled();
  if (now !== before) return [`the server moved from ${before.name} to ${now.name} without need`];
  const risen = stage.observer.epoch;
  return risen === epoch ? [] : [`the epoch rose from ${epoch} to ${risen} without need`];
};

/** A process beside the server in its control group, as k3s's containers have one. */
export const startPod = async (machine: Machine): Promise<number> => {
  const group = '/sys/fs/cgroup$(systemctl show --property=ControlGroup --value k3s.service)';
  const pod = 'sleep 100000 </dev/null >/dev/null 2>&1';
  const script = `${pod} & echo $! >"${group}/cgroup.procs"; echo $!`;
  return Number(await machine.call('sh', '-c', script));
};

/** Ends it, too. */
export const podLives = async (machine: Machine, pid: number): Promise<boolean> =>
  (await machine.call('sh', '-c', `kill ${pid} && echo lives || echo gone`)).trim() === 'lives';

/** A program of baton's begins within a fifth of this on a calm host, on a Pi too. */
const SLOW_START_MS = 1000;

/** `load`: of the last minute, per core. */
export const isStarved = (tookMs: number, load: number): boolean =>
  tookMs >= SLOW_START_MS || load >= MOST_LOAD;

interface Broken {
  /** Since when writes may be on the old server's disk alone. */
  readonly atMs: number;
  readonly broken: readonly string[];
  /** What `startMs` said in between; a host is not slow all the time. */
  readonly slowestMs?: number;
}

/** How long it takes to begin a program as the agent is begun: same Node, same priority. */
export const startMs = async (machine: Machine): Promise<number> => {
  const began = performance.now();
  const program = ['/usr/lib/baton/node', '/usr/lib/baton/baton.mjs', '--version'];
  await machine.call('nice', '-n', '-10', ...program);
  return performance.now() - began;
};

/**
 * Claims that nothing moves or pauses hold only where a process gets a processor when it needs one:
 * an agent that is begun again has 3.5 s. A sentence of `broken` counts as wrong, unless this host
 * shows at once that it is too slow for the claim; then it is told as not judged. What the server
 * took after `sinceMs` and before its gate shut may then be on its disk alone; older writes not.
 */
export const unlessStarved = async (
  stage: Stage,
  machine: Machine,
  { atMs, broken, slowestMs = 0 }: Broken,
): Promise<Pick<CaseReport, 'wrong' | 'notJudged'>> => {
  if (broken.length === 0) return { wrong: [] };
  const tookMs = Math.round(Math.max(slowestMs, await startMs(machine)));
  const load = loadPerCore();
  if (!isStarved(tookMs, load)) return { wrong: broken };
  const per = load.toFixed(1);
  const why = `(a program takes ${tookMs} ms to begin here, at a load of ${per} per core)`;
  const notJudged = broken.map((sentence) => `${sentence} ${why}`);
  await stage.losses(atMs);
  return { wrong: [], notJudged };
};

/** How often a machine's server answered since then: probes and writes. */
export const answersOf = (stage: Stage, machine: Machine, sinceMs: number): number =>
  stage.probes.answers().filter(({ node, atUs }) => node === machine.name && atUs > sinceMs * 1000)
    .length +
  stage.workload.acknowledged.filter(({ node, atMs }) => node === machine.name && atMs > sinceMs)
    .length;

/** What systemd says of the unit, as soon as it is `wanted`; after 10 s whatever it is. */
export const untilProperty = async (
  machine: Machine,
  unit: string | undefined,
  property: string,
  wanted: string,
): Promise<string> => {
  const ask = ['systemctl', 'show', `--property=${property}`, '--value', unit ?? ''];
  for (let tries = 0; ; tries++) {
    const value = (await machine.call(...ask)).trim();
    if (value === wanted || tries === 40) return value;
    await sleep(250);
  }
};

/** The unit's main process as the machine counts; 0 when it has none. */
export const mainPid = async (machine: Machine, unit: string): Promise<number> =>
  Number(await machine.call('systemctl', 'show', '--property=MainPID', '--value', unit));
