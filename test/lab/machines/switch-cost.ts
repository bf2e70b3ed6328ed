/**
 * What the dead man's switch costs a machine: its shell, and the `sleep` between two looks. Most of
 * what is resident are pages of libc, which every process of the machine shares. Source:
 * proc_pid_pagemap(5), cgroups(7): `cpu.stat`.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Machine } from './machine.ts';

interface Memory {
  /** Resident size of the larger of its two processes, which is the shell, MiB. */
  readonly rssMb: number;
  /** Both together, a page that they share counted once, MiB. */
  readonly withSleepMb: number;
}

export interface SwitchCost {
  /** Null when no look went well. */
  readonly memory: Memory | null;
  /** Of one core, percent; what it runs counts too. */
  readonly cpuPercent: number;
}

const GROUP = '/sys/fs/cgroup/system.slice/baton-deadman.service';
/**
 * Ten looks, with what each takes beside its second of sleep: the whole work of the switch, for
 * where no server is each tenth runs the kill command. In 10 s sharp that one could be missed.
 */
const WINDOW_MS = 11_500;
const WINDOWS = 4;
/** Not in step with the looks, which are a second apart. */
const LOOK_MS = 370;
const PAGE = 4096n;
const ENTRY_BYTES = 8;
const PRESENT = 1n << 63n;
/** Bits 0 to 54 of an entry. */
const FRAME = (1n << 55n) - 1n;
/** Mappings of the kernel's own, `[vdso]` and its like: nobody's memory. */
const KERNELS = /\[v[^\]]*\]$/;

/** The frames that a process holds. Errors: ENOENT, ESRCH when it has ended meanwhile. */
const framesOf = (pid: number): Set<bigint> => {
  const frames = new Set<bigint>();
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').trimEnd().split('\n');
  const pagemap = openSync(`/proc/${pid}/pagemap`, 'r');
  try {
    for (const line of maps.filter((one) => !KERNELS.test(one))) {
      const ends = (line.split(' ')[0] ?? '').split('-');
      const [from = 0n, to = 0n] = ends.map((hex) => BigInt(`0x${hex}`));
      const entries = Buffer.alloc(Number((to - from) / PAGE) * ENTRY_BYTES);
      readSync(pagemap, entries, 0, entries.length, Number(from / PAGE) * ENTRY_BYTES);
      for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
        const entry = entries.readBigUInt64LE(at);
        if ((entry & PRESENT) !== 0n) frames.add(entry & FRAME);
      }
    }
  } finally {
    closeSync(pagemap);
  }
  return frames;
};

const megabytes = ({ size }: Set<bigint>): number => Number(BigInt(size) * PAGE) / 1024 ** 2;

/** What the group's processes hold; null when one of them ended under our eyes. */
const memoryOf = (group: string): Memory | null => {
  try {
    const pids = readFileSync(join(group, 'cgroup.procs'), 'utf8').trim().split('\n').map(Number);
    const held = pids.map(framesOf);
    const together = new Set(held.flatMap((frames) => [...frames]));
    return { rssMb: Math.max(...held.map(megabytes)), withSleepMb: megabytes(together) };
  } catch {
    return null;
  }
};

const usedUs = (group: string): number =>
  Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(group, 'cpu.stat'), 'utf8'))?.[1]);

/** What the group had used up to a moment. */
interface Reading {
  readonly atMs: number;
  readonly usedUs: number;
}

const readingOf = (group: string): Reading => ({
  atMs: performance.now(),
  usedUs: usedUs(group),
});

/**
 * Percent of one core in the cheapest window between two readings. The least is the honest figure:
 * each window holds the same work, and a host whose processors are taken away meanwhile adds to its
 * CPU time (cold caches, stolen time that counts as used), while nothing takes any of it away. NaN
 * where a reading could not be had.
 */
export const cheapestWindow = (readings: readonly Reading[]): number => {
  const percents = readings.slice(1).map((end, index) => {
    const begin = readings[index] ?? end;
    return ((end.usedUs - begin.usedUs) / ((end.atMs - begin.atMs) * 1000)) * 100;
  });
  return Math.min(...percents);
};

const most = (values: readonly number[]): number => Math.max(...values);

/** The dearest of several machines. */
export const dearest = (all: readonly SwitchCost[]): SwitchCost => {
  const memories = all.flatMap(({ memory }) => memory ?? []);
  const whole = memories.length === all.length;
  const rssMb = most(memories.map((one) => one.rssMb));
  const withSleepMb = most(memories.map((one) => one.withSleepMb));
  return {
    memory: whole ? { rssMb, withSleepMb } : null,
    cpuPercent: most(all.map(({ cpuPercent }) => cpuPercent)),
  };
};

/** Looks at what it holds until one window is over. */
const looksOfWindow = async (group: string): Promise<Memory[]> => {
  const began = performance.now();
  const looks: Memory[] = [];
  while (performance.now() - began < WINDOW_MS) {
    await sleep(LOOK_MS);
    const look = memoryOf(group);
    if (look !== null) looks.push(look);
  }
  return looks;
};

/** Watches it for 43 s. The memory is the median of the looks: what it holds while it waits. */
export const switchCost = async (machine: Machine): Promise<SwitchCost> => {
  const group = machine.path(GROUP);
  const readings = [readingOf(group)];
  const looks: Memory[] = [];
  while (readings.length <= WINDOWS) {
    looks.push(...(await looksOfWindow(group)));
    readings.push(readingOf(group));
  }
  const median = looks.toSorted((a, b) => a.withSleepMb - b.withSleepMb)[looks.length >> 1];
  return { memory: median ?? null, cpuPercent: cheapestWindow(readings) };
};
