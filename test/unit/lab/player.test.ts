/** The player must count what it saw, whenever it saw it. Machines are left out. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { NodeReport } from '../../../shared/protocol/report.ts';
import type { Case, CaseReport } from '../../lab/machines/case.ts';
import type { Machine } from '../../lab/machines/machine.ts';
import type { Plan, Task } from '../../lab/machines/plan.ts';
import { Player } from '../../lab/machines/player.ts';
import { type Losses, Stage } from '../../lab/machines/stage.ts';
import type { Acknowledgement } from '../../lab/workload.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-player-'));
  vi.spyOn(console, 'log').mockReturnValue(undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const calm: CaseReport = { gapMs: null, lossesAtMs: null, wrong: [] };
const task = (label: string): Task => ({ name: 'calm', label, reuse: true, before: [] });
const playing = (play: Case['play']): Case => ({ name: 'calm', what: '', random: true, play });

/** A stage of no machines, on which nothing is ever lost by itself. */
class EmptyStage extends Stage {
  override losses = async (): Promise<Losses> => ({ old: 0, recent: 0, atRiskMs: 0 });
}

const makePlayer = (Kind: typeof Stage = EmptyStage) => {
  const stages: Stage[] = [];
  const plan = {
    ...{ run: '1-a', folder, lower: [], beganMs: 0, verdicts: '', failures: join(folder, 'bad') },
    options: { clusters: 1, machines: 3, witness: false, withoutGate: false, keep: false },
  } as unknown as Plan;
  const control = new AbortController();
  const player = new Player(plan, 1, control.signal, (options, signal, tell) => {
    const machine = () => {
      throw new TypeError('there are no machines');
    };
    const fleet = { folder: options.folder, machines: [], machine, newCard: machine };
    const stage = new Kind({ ...fleet, scrap: async () => undefined }, signal, tell);
    Object.assign(stage, { start: async () => undefined });
    stages.push(stage);
    return stage;
  });
  return { player, stages };
};

const bothAnswer = (stage: Stage | undefined, atMs: number): void => {
  stage?.heard('node1', atMs);
  stage?.heard('node2', atMs);
};

test('two servers between two rounds belong to the next verdict, once', async () => {
  const { player, stages } = makePlayer();
  const round = playing(async () => calm);
  expect(await player.play(task('round-1-calm'), round)).toMatchObject({
    twoServers: 0,
    wrong: [],
  });
  bothAnswer(stages[0], 1000);
  const verdict = await player.play(task('round-2-calm'), round);
  expect(verdict.twoServers).toBe(1);
  expect(verdict.wrong[0]).toContain('TWO SERVERS: node1 and node2');
  expect(await player.play(task('round-3-calm'), round)).toMatchObject({ twoServers: 0 });
  expect(stages).toHaveLength(2);
  expect(await player.end()).toBeNull();
});

test('what a case finds to be lost on its way counts as well', async () => {
  const { player, stages } = makePlayer(Stage);
  const nothing = new Map<string, number>();
  const verdict = await player.play(
    task('calm'),
    playing(async (stage) => {
      Object.assign(stage, { server: async () => ({ name: 'node1' }) });
      vi.spyOn(stage.workload, 'readState').mockResolvedValue(nothing);
      const { ledger } = stage.workload;
      for (const [number, ms] of [1000, 2000, 3000].entries()) {
        ledger.begin(number, 'create', `key-${number}`);
        ledger.acknowledge(number, `key-${number}`, { ms, node: 'node1', revision: number });
      }
      await stage.losses(2100);
      ledger.begin(9, 'create', 'late');
      ledger.acknowledge(9, 'late', { ms: 9000, node: 'node1', revision: 9 });
      return calm;
    }),
  );
  expect(verdict).toMatchObject({ lostOld: 2, lostRecent: 2 });
  expect(verdict.atRiskMs).toBe(Number.MAX_SAFE_INTEGER);
  expect(verdict.wrong).toEqual(['2 acknowledged writes are gone']);
  expect(JSON.parse(JSON.stringify(verdict))).toEqual(verdict);
  expect(stages[0]?.takeLosses()).toEqual({ old: 0, recent: 0, atRiskMs: 0 });
});

test('those of a cluster that ended belong to the next verdict, or have their own', async () => {
  const { player, stages } = makePlayer();
  const round = playing(async () => calm);
  await player.play(task('round-1-calm'), round);
  bothAnswer(stages[0], 1000);
  const own = { ...task('calm'), reuse: false };
  expect(await player.play(own, round)).toMatchObject({ label: 'calm', twoServers: 1 });
  await player.play(task('round-2-calm'), round);
  bothAnswer(stages.at(-1), 2000);
  const late = await player.end();
  expect(late).toMatchObject({ label: 'end-of-cluster-1', twoServers: 1 });
  expect(late?.wrong).toHaveLength(1);
  expect(await player.end()).toBeNull();
});

test('a cluster has not settled before its server has taken a write', async () => {
  const node1 = { name: 'node1' } as Machine;
  const fleet = { folder, machines: [], machine: () => node1, newCard: () => undefined };
  const stage = new Stage(
    { ...fleet, scrap: async () => undefined },
    new AbortController().signal,
    () => undefined,
  );
  vi.spyOn(stage.probes, 'readyNow').mockReturnValue('node1');
  const master = { role: 'master', epoch: 1, receivers: [] } as unknown as NodeReport;
  vi.spyOn(stage.observer, 'report').mockReturnValue(master);
  let written: Acknowledgement | null = null;
  vi.spyOn(stage.workload, 'lastAcknowledged').mockImplementation(() => written);
  let settled = false;
  const told = stage.settled().then(() => {
    settled = true;
  });
  const write = { number: 1, revision: 1, atMs: 1 };
  for (const before of [null, { ...write, node: 'node2' }]) {
    written = before;
    await sleep(100);
    expect(settled).toBe(false);
  }
  written = { ...write, node: 'node1' };
  await told;
  await stage.close();
});
