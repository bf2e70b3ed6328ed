/** Cases in which a machine as a whole loses power, hangs, is cut off, or goes in order. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { RECENT_MS } from '../ledger.ts';
import type { Acknowledgement } from '../workload.ts';
import {
  answersOf,
  type Case,
  type CaseReport,
  IN_FLIGHT_MS,
  mainPid,
  NO_PAUSE_MS,
  ON_DISK_MS,
  podLives,
  SERVER_DB,
  startPod,
  unlessStarved,
  unmoved,
  untilProperty,
  WATCH_MS,
} from './case.ts';
import type { Machine } from './machine.ts';
import { queuedRequests } from './queued-requests.ts';
import type { Stage } from './stage.ts';
import { dearest, switchCost } from './switch-cost.ts';

/** After a thaw: longer than deadline, dead man's period and a renewal together. */
const THAW_WATCH_MS = 10_000;
/** Writes of so long must be there after everybody's power was cut. */
const KEPT_MS = 5000;
const UNITS = ['k3s.service', 'k3s-agent.service'] as const;
/** systemd starts what ended again after 5 s, and calls it active in between. */
const STAYS_MS = 6000;

/** Whether the unit's process is one that stays. */
const stays = async (machine: Machine, unit: string): Promise<boolean> => {
  const before = await mainPid(machine, unit);
  await sleep(STAYS_MS);
  return before > 0 && before === (await mainPid(machine, unit));
};

const firstStart = async (stage: Stage): Promise<CaseReport> => {
  // The stage itself has just done it; what is left to see is that k3s is on one machine alone.
  const server = await stage.settled();
  const wrong: string[] = [];
  for (const machine of stage.fleet.machines) {
    const [unit, twin] = machine === server ? UNITS : UNITS.toReversed();
    const active = await untilProperty(machine, unit, 'ActiveState', 'active');
    if (active !== 'active') wrong.push(`${unit} of ${machine.name} is ${active}`);
    if (!(await stays(machine, unit))) wrong.push(`${unit} of ${machine.name} does not stay`);
    const load = await untilProperty(machine, twin, 'LoadState', 'masked');
    if (load !== 'masked') wrong.push(`${twin} of ${machine.name} is ${load}`);
    const failed = (await machine.call('systemctl', '--failed', '--plain', '--no-legend')).trim();
    if (failed !== '') wrong.push(`${machine.name} has failed units: ${failed}`);
  }
  const switchCosts = await Promise.all(stage.fleet.machines.map(switchCost));
  return { gapMs: null, lossesAtMs: null, switchCost: dearest(switchCosts), wrong };
};

const powerCut = async (stage: Stage): Promise<CaseReport> => {
  const { gapMs, atMs } = await stage.loseServer(await stage.settled());
  return { gapMs, powerCut: true, lossesAtMs: atMs, wrong: [] };
};

/** The newest revision on the card of a machine without power: what it would begin with. */
const revisionOnCard = (machine: Machine): number => {
  const copies = mkdtempSync(join(tmpdir(), 'baton-card-'));
  machine.disk.attach();
  try {
    const folder = join(machine.disk.root, SERVER_DB);
    for (const name of readdirSync(folder).filter((one) => /^state\.db(-wal)?$/.test(one))) {
      cpSync(join(folder, name), join(copies, name));
    }
    const database = new DatabaseSync(join(copies, 'state.db'));
    const row = database.prepare('SELECT max(id) AS newest FROM kine').get();
    database.close();
    return Number(row?.newest ?? 0);
  } finally {
    machine.disk.detach();
    rmSync(copies, { recursive: true });
  }
};

/** What the receivers have at the cut: whatever the server took 250 ms before it must not go. */
const streamedBefore = (stage: Stage, { name }: Machine, atMs: number): number => {
  const streamed = (one: Acknowledgement) =>
    one.node === name && one.atMs <= atMs - RECENT_MS && one.revision !== null;
  return stage.workload.acknowledged.findLast(streamed)?.revision ?? 0;
};

/** A card that was written through at the very moment of the cut proves nothing. */
const MOST_TRIES = 3;

const quickReturn = async (stage: Stage): Promise<CaseReport> => {
  for (let tries = 1; ; tries++) {
    const { behind, ...report } = await returnAtOnce(stage);
    if (behind) return report;
    if (tries === MOST_TRIES) return { ...report, wrong: ['the cut never lost what was streamed'] };
    await stage.losses(report.lossesAtMs, report.excuse);
  }
};

interface QuickReport extends CaseReport {
  readonly lossesAtMs: number;
  /** The card had less than the receivers, so to go on from it would lose writes. */
  readonly behind: boolean;
}

const returnAtOnce = async (stage: Stage): Promise<QuickReport> => {
  const old = await stage.settled();
  const settledMs = Date.now();
  await stage.waitFor('writes that are streamed', 10_000, () => {
    const first = stage.workload.firstAcknowledged(settledMs, old.name);
    return first !== null && first.atMs < Date.now() - 4 * RECENT_MS;
  });
  const atMs = await old.cutPower();
  stage.tell(`${old.name}, the server, has lost its power`);
  const [held, streamed] = [revisionOnCard(old), streamedBefore(stage, old, atMs)];
  stage.tell(`its card has revision ${held}, the receivers ${streamed}`);
  await old.boot();
  // It may serve again itself; answers on their way at the cut are not that.
  const againMs = atMs + IN_FLIGHT_MS;
  const { gapMs } = await stage.failover(againMs, null);
  await stage.settled();
  const behind = held < streamed;
  return { gapMs, lossesAtMs: atMs, excuse: { againMs }, wrong: [], behind };
};

const receiverCut = async (stage: Stage): Promise<CaseReport> => {
  const server = await stage.settled();
  const { epoch } = stage.observer;
  const receiver = await stage.receiver();
  const atMs = await receiver.cutPower();
  stage.tell(`${receiver.name}, a receiver, has lost its power`);
  await sleep(WATCH_MS);
  const pause = stage.longestPauseMs(atMs);
  await receiver.boot();
  const wrong = await unmoved(stage, server, epoch);
  if (pause > NO_PAUSE_MS) wrong.push(`writes stood still for ${pause} ms while a receiver died`);
  const claim = await unlessStarved(stage, server, { atMs, broken: wrong });
  return { gapMs: null, lossesAtMs: null, ...claim };
};

/** What every disk has to keep, and enough of it to be seen when it is gone. */
const somethingOnDisk = async (stage: Stage): Promise<void> => {
  const [first] = stage.workload.acknowledged;
  const oldMs = (first?.atMs ?? Date.now()) + ON_DISK_MS + KEPT_MS;
  await sleep(Math.max(0, oldMs - Date.now()), undefined, { signal: stage.signal });
};

const allOff = async (stage: Stage): Promise<CaseReport> => {
  await stage.settled();
  await somethingOnDisk(stage);
  const old = await stage.settled();
  const cuts = await Promise.all(stage.fleet.machines.map((one) => one.cutPower()));
  stage.tell('the power of all machines is gone');
  // Answers that were under way at the cut arrive a moment later.
  const atMs = Math.max(...cuts) + IN_FLIGHT_MS;
  for (const machine of stage.fleet.machines) await machine.boot();
  const { server } = await stage.failover(atMs, null);
  stage.tell(`${server.name} serves again; it was ${old.name}`);
  await stage.settled();
  const excuse = { recentMs: ON_DISK_MS, againMs: atMs };
  return { gapMs: null, lossesAtMs: atMs, excuse, wrong: [] };
};

const hang = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const queue = await queuedRequests(stage, old);
  const atMs = await old.freeze(true);
  stage.tell(`${old.name}, the server, hangs as a whole`);
  queue.ask();
  const { gapMs } = await stage.failover(atMs, old);
  const thawMs = await old.freeze(false);
  await sleep(THAW_WATCH_MS);
  const answers = queue.answersSince(thawMs) + answersOf(stage, old, thawMs);
  stage.tell(`${old.name} was thawed and answered ${answers} times`);
  queue.close();
  await stage.settled();
  const wrong = answers === 0 ? [] : [`the thawed server answered ${answers} times`];
  return { gapMs, lossesAtMs: atMs, thawedAnswers: answers, wrong };
};

const cable = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const atMs = old.plug(false);
  stage.tell(`the cable of ${old.name}, the server, is pulled`);
  const { gapMs } = await stage.failover(atMs, old);
  const backMs = old.plug(true);
  await sleep(WATCH_MS / 2);
  const answers = answersOf(stage, old, backMs);
  await stage.settled();
  const wrong = answers === 0 ? [] : [`the cut-off server answered ${answers} times`];
  return { gapMs, lossesAtMs: atMs, wrong };
};

/** systemd's own words on the console: it leaves k3s alone until the agent has ended. */
const shutdownOrder = ({ name, console }: Machine): string[] => {
  const all = readFileSync(console, 'utf8');
  const words = all.slice(all.lastIndexOf('System is rebooting.'));
  const ended = words.indexOf('systemd[1]: Stopped baton-agent.service');
  if (ended < 0) return [`${name} did not stop its agent`];
  const early = UNITS.filter((unit) => words.slice(0, ended).includes(`]: Stopping ${unit}`));
  return early.map((unit) => `${name} stopped ${unit} before its agent had ended`);
};

/** A start with the raise leaves out at least a million revisions (DESIGN section 4). */
const LEAST_RAISE = 1_000_000;

/** L13: whoever holds the last revision goes on with the next one. */
const leftOut = async (stage: Stage, old: Machine): Promise<string[]> => {
  const around = (): readonly [number, number] | null => {
    const written = stage.workload.acknowledged.filter(({ revision }) => revision !== null);
    const last = written.findLastIndex(({ node }) => node === old.name);
    const [from, to] = [written[last]?.revision, written[last + 1]?.revision];
    return typeof from === 'number' && typeof to === 'number' ? [from, to] : null;
  };
  const [from, to] = await stage.waitFor('a write that tells its revision', 10_000, around);
  if (to > from && to - from < LEAST_RAISE) return [];
  return [`the new server goes on with revision ${to} after ${from}`];
};

/** Longer than a server takes to answer. */
const STARTED_MS = 3000;

/** A person starts the server of a receiver by hand: nothing may run, and nobody answer. */
const gateRefuses = async (stage: Stage, machine: Machine): Promise<string[]> => {
  const [unit, twin] = UNITS;
  const wrong: string[] = [];
  const atMs = Date.now();
  await machine.call('systemctl', 'unmask', '--runtime', unit);
  await machine.call('systemctl', 'start', '--no-block', unit);
  const result = await untilProperty(machine, unit, 'Result', 'exec-condition');
  if (result !== 'exec-condition') wrong.push(`the gate did not refuse ${unit} (${result})`);
  await sleep(STARTED_MS);
  if ((await mainPid(machine, unit)) !== 0) wrong.push(`${unit} runs on ${machine.name}`);
  const answers = answersOf(stage, machine, atMs);
  if (answers > 0) wrong.push(`${machine.name}, a receiver, answered ${answers} times`);
  stage.tell(`${unit} was started by hand on ${machine.name}: ${result}`);
  await machine.call('systemctl', 'stop', unit);
  await machine.call('systemctl', 'mask', '--runtime', unit);
  // The twins exclude each other: it had to end for the try.
  await machine.call('systemctl', 'start', '--no-block', twin);
  await stage.settled();
  return wrong;
};

const reboot = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const atMs = await old.reboot();
  stage.tell(`${old.name}, the server, rebooted in order`);
  const { gapMs } = await stage.failover(atMs, old);
  await stage.settled();
  const state = (await old.call('sh', '-c', 'systemctl is-enabled k3s.service || true')).trim();
  const wrong = state === 'enabled' ? ['k3s.service of the old server is enabled'] : [];
  wrong.push(...shutdownOrder(old), ...(await leftOut(stage, old)));
  wrong.push(...(await gateRefuses(stage, old)));
  // An orderly end hands every revision over: nothing at all may be lost.
  return { gapMs, lossesAtMs: null, wrong };
};

/** Who has just started is refused, and asked to try again in a moment; so a person does. */
const askUntilReady = async (ask: () => Promise<string>): Promise<void> => {
  for (let tries = 0; ; tries++) {
    try {
      await ask();
      return;
    } catch (error) {
      if (tries === 10 || !String(error).includes('try again in a moment')) throw error;
      await sleep(1000);
    }
  }
};

const move = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const target = await stage.receiver();
  const atMs = Date.now();
  stage.tell(`baton move ${target.name}`);
  const pod = await startPod(old);
  await askUntilReady(() => old.call('baton', 'move', target.name));
  const { server, gapMs } = await stage.failover(atMs, old);
  await stage.settled();
  const wrong = server === target ? [] : [`moved to ${server.name} instead of ${target.name}`];
  wrong.push(...(await leftOut(stage, old)));
  if (!(await podLives(old, pod))) wrong.push(`the pods of ${old.name} died with its server`);
  return { gapMs, lossesAtMs: null, wrong };
};

export const machineCases: readonly Case[] = [
  { name: 'first-start', what: 'power for everybody', random: false, play: firstStart },
  { name: 'power-cut', what: 'the server loses its power', random: true, play: powerCut },
  { name: 'quick-return', what: 'and has it back at once', random: true, play: quickReturn },
  { name: 'receiver-cut', what: 'a receiver loses its power', random: true, play: receiverCut },
  { name: 'all-off', what: 'everybody loses power at once', random: true, play: allOff },
  { name: 'hang', what: 'the server hangs as a whole and is thawed', random: true, play: hang },
  { name: 'cable', what: 'the server’s cable is pulled and put back', random: true, play: cable },
  { name: 'reboot', what: 'the server is rebooted in order', random: true, play: reboot },
  { name: 'move', what: 'a planned move', random: true, play: move },
];
