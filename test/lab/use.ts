/** What the daemons use: memory of the largest of each kind, and processor time while idle. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Daemon } from './lab-node.ts';
import type { Stage } from './stage.ts';
import { type ProcessUse, useOf } from './tagged-processes.ts';

const IDLE_MS = 10_000;

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
  /** Of one core: the busiest agent, while nobody writes and we ask it nothing. */
  readonly agentIdleCpuPercent: number | null;
}

/** Takes ten seconds, in which writer and observer are silent. Both run again afterwards. */
export const measureUse = async (stage: Stage): Promise<DaemonUse> => {
  await stage.workload.pause();
  stage.observer.stop();
  await sleep(1000, undefined, stage.signal === undefined ? {} : { signal: stage.signal });
  const before = usesOf(stage, 'agent');
  const began = performance.now();
  await sleep(IDLE_MS, undefined, stage.signal === undefined ? {} : { signal: stage.signal });
  const elapsed = performance.now() - began;
  const agents = usesOf(stage, 'agent');
  const coordinators = usesOf(stage, 'coordinator');
  const shares = [...agents].flatMap(([node, { cpuMs }]) => {
    const first = before.get(node);
    return first === undefined ? [] : [((cpuMs - first.cpuMs) / elapsed) * 100];
  });
  stage.observer.start();
  stage.workload.start();
  return {
    agentRssMb: largest(agents.values(), 'rssMb'),
    agentAnonMb: largest(agents.values(), 'anonMb'),
    coordinatorRssMb: largest(coordinators.values(), 'rssMb'),
    coordinatorAnonMb: largest(coordinators.values(), 'anonMb'),
    agentIdleCpuPercent: shares.length === 0 ? null : Math.max(...shares),
  };
};
