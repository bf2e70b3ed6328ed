/**
 * How much of its processors a virtual machine was denied, as its kernel counts it: time in which
 * it wanted to run and the host ran somebody else. Source: proc(5), /proc/stat, the field "steal".
 */
import { readFileSync } from 'node:fs';

/** Since the boot, of all processors, in ticks of the kernel's. */
export interface ProcessorTime {
  readonly all: number;
  readonly stolen: number;
}

/** user nice system idle iowait irq softirq steal; what follows is a part of the first two. */
const FIELDS = 8;

/** Of the text of /proc/stat; null where it does not say. */
export const processorTime = (stat: string): ProcessorTime | null => {
  const line = stat.split('\n').find((one) => one.startsWith('cpu '));
  const ticks = (line?.trim().split(/\s+/) ?? []).slice(1, FIELDS + 1).map(Number);
  const stolen = ticks[FIELDS - 1];
  const isWhole = ticks.every((tick) => Number.isSafeInteger(tick) && tick >= 0);
  if (stolen === undefined || !isWhole) return null;
  return { all: ticks.reduce((sum, tick) => sum + tick, 0), stolen };
};

/** Of this machine now; null where the kernel is another one. */
export const processorTimeNow = (): ProcessorTime | null => {
  try {
    return processorTime(readFileSync('/proc/stat', 'utf8'));
  } catch {
    return null;
  }
};

/** Of the time between the two, 0 to 1. */
export const stolenShare = (before: ProcessorTime, after: ProcessorTime): number => {
  const all = after.all - before.all;
  return all <= 0 ? 0 : Math.min(1, Math.max(0, (after.stolen - before.stolen) / all));
};
