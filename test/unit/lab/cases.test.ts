/** What single cases of the machine lab judge, on stages that are told what happened. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ON_DISK_MS } from '../../lab/machines/case.ts';
import { cases } from '../../lab/machines/cases.ts';
import { leaveAnswer, wentOn } from '../../lab/machines/cases-cluster.ts';
import type { Machine } from '../../lab/machines/machine.ts';
import type { Stage } from '../../lab/machines/stage.ts';

const server = { name: 'node1', call: async () => '' } as unknown as Machine;

const play = (name: string, stage: unknown) => {
  const one = cases.find((each) => each.name === name);
  if (one === undefined) throw new TypeError(name);
  return one.play(stage as Stage);
};

describe('nothing may have happened', () => {
  const stageOf = (pauseMs: number) =>
    ({
      longestPauseMs: () => pauseMs,
      settled: async () => server,
      observer: { epoch: 1 },
      tell: () => undefined,
      losses: async () => ({ old: 0, recent: 0, atRiskMs: 0 }),
    }) as unknown as Stage;
  const told = async (pauseMs: number) => {
    const claim = await wentOn(stageOf(pauseMs), server, { atMs: 0, epoch: 1 });
    return [...claim.wrong, ...(claim.notJudged ?? [])].join();
  };

  test('a pause of writes is judged like a change of server', async () => {
    expect(await told(5000)).toBe('');
    expect(await told(5001)).toContain('writes stood still for 5001 ms');
  });
});

test.each([
  ['Asked to leave the voters.\nexit status 0\n', 'agreed'],
  ['error: This node is the master: move the role first.\nexit status 1\n', 'refused'],
  ['exit status 1\n', null],
  ['error: the agent does not answer\nexit status 3\n', null],
  ['Terminated\nexit status 143\n', null],
])('"baton leave" that says %j has %s', (said, answer) => {
  expect(leaveAnswer(said)).toBe(answer);
});

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

test('a stalled card goes on as soon as the lab is told to end', async () => {
  const control = new AbortController();
  const stalls: boolean[] = [];
  const disk = { stall: (stalled: boolean) => stalls.push(stalled) };
  const stage = { signal: control.signal, tell: () => undefined };
  const played = play('disk-stall', { ...stage, settled: async () => ({ name: 'node1', disk }) });
  await sleep(20);
  expect(stalls).toEqual([true]);
  control.abort(new Error('ended by SIGTERM'));
  await expect(played).rejects.toThrow();
  expect(stalls).toEqual([true, false]);
});
