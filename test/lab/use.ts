/** What the daemons use: memory of the largest of each kind, and processor time while idle. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Daemon } from './lab-node.ts';
import type { Stage } from './stage.ts';
import { type ProcessUse, useOf } from './tagged-processes.ts';

/** Processor time is counted in steps of 10 ms, so a window of 5 s shows 0.2 %. */
const WINDOW_MS = 5000;
const WINDOWS = 3;
/** After a cold start the agents compile and catch up for some seconds, with 2 % of a core. */
const SETTLE_MS = 5000;
/** How long `measureUse` takes, for whoever announces it. */
export const IDLE_MS = SETTLE_MS + WINDOWS * WINDOW_MS;

const usesOf = (stage: Stage, daemon: Daemon): Map<string, ProcessUse> => {
  const found = stage.cluster.nodes.flatMap((node) => {
    const pid = node.pidOf(daemon);
    const use = pid === null ? null : useOf(pid);
    return use === null ? [] : [[node.name, use] as const];
  });
  return new Map(found);
};

const largest = (uses: Iterable<ProcessUse>, of: 'rssMb' | 'anonMb'): number | null => {
  const values = [...uses].map((use) => use[of]);
  return values.length === 0 ? null : Math.max(...values);
};

export interface DaemonUse {
  readonly agentRssMb: number | null;
  readonly agentAnonMb: number | null;
  readonly coordinatorRssMb: number | null;
  readonly coordinatorAnonMb: number | null;
  /**
   * Of one core: the busiest agent, while nobody writes and we ask it nothing. For each agent the
   * calmest of three windows: other programs on the machine only ever add to it.
   */
  readonly agentIdleCpuPercent: number | null;
  /** How busy the whole machine was meanwhile, 0 to 1. A busy one inflates the figure above. */
  readonly machineBusy: number;
}

/** Time all processors were busy since boot, and how many there are: /proc/stat, proc(5). */
const machineBusyMs = (): number => {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) * 10;
};

/** Share of one core that each agent used in one window, percent. */
const idleWindow = async (stage: Stage): Promise<Map<string, number>> => {
  const before = usesOf(stage, 'agent');
  const began = performance.now();
  await stage.pause(WINDOW_MS);
  const elapsed = performance.now() - began;
  const shares = [...usesOf(stage, 'agent')].flatMap(([node, { cpuMs }]) => {
    const first = before.get(node);
    return first === undefined ? [] : [[node, ((cpuMs - first.cpuMs) / elapsed) * 100] as const];
  });
  return new Map(shares);
};

const busiest = (windows: readonly Map<string, number>[]): number | null => {
  const nodes = [...(windows[0]?.keys() ?? [])];
  const calmest = nodes.map((node) =>
    Math.min(...windows.map((window) => window.get(node) ?? Number.POSITIVE_INFINITY)),
  );
  return calmest.length === 0 ? null : Math.max(...calmest);
};

/** Takes `IDLE_MS`, in which writer and observer are silent. Both run again afterwards. */
export const measureUse = async (stage: Stage): Promise<DaemonUse> => {
  await stage.workload.pause();
  stage.observer.stop();
  await stage.pause(SETTLE_MS);
  const windows: Map<string, number>[] = [];
  const [began, busyBefore] = [performance.now(), machineBusyMs()];
  for (let count = 0; count < WINDOWS; count++) windows.push(await idleWindow(stage));
  const cores = availableParallelism() * (performance.now() - began);
  const machineBusy = (machineBusyMs() - busyBefore) / cores;
  const agents = usesOf(stage, 'agent');
  const coordinators = usesOf(stage, 'coordinator');
  stage.observer.start();
  stage.workload.start();
  return {
    agentRssMb: largest(agents.values(), 'rssMb'),
    agentAnonMb: largest(agents.values(), 'anonMb'),
    coordinatorRssMb: largest(coordinators.values(), 'rssMb'),
    coordinatorAnonMb: largest(coordinators.values(), 'anonMb'),
    agentIdleCpuPercent: busiest(windows),
    machineBusy,
  };
};
