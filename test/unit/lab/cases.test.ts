/** What single cases of the machine lab judge, on stages that are told what happened. */
import { expect, test } from 'vitest';
import { ON_DISK_MS } from '../../lab/machines/case.ts';
import { cases } from '../../lab/machines/cases.ts';
import type { Stage } from '../../lab/machines/stage.ts';

const play = (name: string, stage: unknown) => {
  const one = cases.find((each) => each.name === name);
  if (one === undefined) throw new TypeError(name);
  return one.play(stage as Stage);
};

test('everybody without power: what is on disk by then has to be back', async () => {
  const cutMs = Date.now();
  const machine = { name: 'node1', cutPower: async () => cutMs, boot: async () => undefined };
  const report = await play('all-off', {
    settled: async () => machine,
    workload: { acknowledged: [{ atMs: cutMs - 2 * ON_DISK_MS }] },
    fleet: { machines: [machine] },
    failover: async () => ({ server: machine, gapMs: 1 }),
    tell: () => undefined,
    signal: new AbortController().signal,
  });
  const atMs = report.lossesAtMs;
  expect(report.excuse).toEqual({ recentMs: ON_DISK_MS, againMs: atMs });
  expect(atMs).toBeLessThan(cutMs + 1000);
});
