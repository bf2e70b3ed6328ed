/** Cases of cards, of several machines at once, and of a server that does not run. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Acknowledgement } from '../workload.ts';
import { answersOf, type Case, type CaseReport, GATE_MS, IN_FLIGHT_MS, WATCH_MS } from './case.ts';
import type { Machine } from './machine.ts';
import type { Stage } from './stage.ts';

const STALL_MS = 20_000;

const emptyCard = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const atMs = await old.cutPower();
  stage.fleet.newCard(old);
  stage.tell(`${old.name}, the server, is dead and gets a new card`);
  const { gapMs } = await stage.failover(atMs, old);
  await old.boot();
  await stage.settled();
  return { gapMs, powerCut: true, lossesAtMs: atMs, wrong: [] };
};

/** Of three machines one is left: nobody may serve until another returns. */
const twoCut = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const other = await stage.receiver();
  const [, atMs = 0] = await Promise.all([other.cutPower(), old.cutPower()]);
  stage.tell(`${old.name}, the server, and ${other.name} have lost their power`);
  await sleep(WATCH_MS);
  const lonely = stage.probes.firstReady(atMs + IN_FLIGHT_MS);
  const wrong = lonely === null ? [] : [`${lonely.node} served without a majority`];
  await other.boot();
  const { gapMs } = await stage.failover(atMs + IN_FLIGHT_MS, old);
  await old.boot();
  await stage.settled();
  return { gapMs, lossesAtMs: atMs, wrong };
};

/** Every receiver is cut off: the server has no majority left, and must fall silent. */
const cutReceivers = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const others = stage.fleet.machines.filter((one) => one !== old && one.on);
  const atMs = Date.now();
  for (const machine of others) machine.plug(false);
  stage.tell(`every cable but that of ${old.name}, the server, is pulled`);
  await sleep(WATCH_MS);
  const late = answersOf(stage, old, atMs + GATE_MS);
  for (const machine of others) machine.plug(true);
  stage.tell('the cables are back');
  await stage.settled();
  const wrong = late === 0 ? [] : [`a server without a majority answered ${late} times`];
  return { gapMs: null, lossesAtMs: atMs, wrong };
};

/** `server_restarts`, by default. */
const RESTARTS = 3;

/** How often the agent has tried to go on with the server that ended, in its own words. */
const triesOf = async (machine: Machine, sinceMs: number): Promise<string[]> => {
  const since = `--since=@${Math.floor(sinceMs / 1000)}`;
  const unit = '--unit=baton-agent.service';
  const words = await machine.call('journalctl', unit, since, '--output=cat', '--no-pager');
  return [...new Set(words.match(/restart \d+ of \d+/g) ?? [])];
};

const crashLoop = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const program = old.path('/usr/local/bin/k3s');
  const text = readFileSync(program);
  writeFileSync(program, '#!/bin/sh\nexit 1\n', { flush: true });
  chmodSync(program, 0o755);
  const atMs = await old.killUnit('k3s.service');
  stage.tell(`the server of ${old.name} died and cannot start any more`);
  const { gapMs } = await stage.failover(atMs + IN_FLIGHT_MS, old);
  const tries = await triesOf(old, atMs);
  stage.tell(`${old.name} tried ${tries.length} times: ${tries.join(', ')}`);
  const all = Array.from({ length: RESTARTS }, (_, at) => `restart ${at + 1} of ${RESTARTS}`);
  const wrong =
    tries.join() === all.join() ? [] : [`the server was not tried ${RESTARTS} times: ${tries}`];
  // Synced, or the next power cut brings the broken one back.
  writeFileSync(program, text, { flush: true });
  await stage.settled();
  return { gapMs, lossesAtMs: atMs, wrong };
};

/**
 * Nothing is asked but that nobody serves beside another, that the stall was one, and that all is
 * well afterwards.
 */
const diskStall = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const atMs = Date.now();
  old.disk.stall(true);
  // A busy host takes its time until the card stands.
  const standsMs = Date.now();
  let untilMs = standsMs;
  stage.tell(`the card of ${old.name}, the server, takes nothing for ${STALL_MS / 1000} s`);
  try {
    // The end of the lab ends the stall: whoever writes to that card could not end.
    await sleep(STALL_MS, undefined, { signal: stage.signal });
    untilMs = Date.now();
  } finally {
    old.disk.stall(false);
  }
  const server = await stage.settled();
  stage.tell(`${server.name} serves`);
  const during = (one: Acknowledgement) =>
    one.node === old.name && one.atMs > standsMs + IN_FLIGHT_MS && one.atMs < untilMs;
  const { length } = stage.workload.acknowledged.filter(during);
  const wrong = length === 0 ? [] : [`${length} writes went to a card that stalls`];
  return { gapMs: null, lossesAtMs: server === old ? null : atMs, wrong };
};

export const diskCases: readonly Case[] = [
  { name: 'empty-card', what: 'the server returns on a new card', random: true, play: emptyCard },
  { name: 'two-cut', what: 'server and a receiver lose power', random: true, play: twoCut },
  { name: 'cut-receivers', what: 'every receiver is cut off', random: true, play: cutReceivers },
  { name: 'crash-loop', what: 'the server cannot start any more', random: true, play: crashLoop },
  { name: 'disk-stall', what: 'the server’s card stalls', random: true, play: diskStall },
];
