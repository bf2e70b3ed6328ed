/** Cases in which every machine was without power, or the next server's card is full. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Case, CaseReport } from './case.ts';
import type { Machine } from './machine.ts';
import type { Stage } from './stage.ts';

/** An answer on its way to us when the machines lost their power. */
const IN_FLIGHT_MS = 500;
/** In place of the default of five minutes, which nothing but patience distinguishes from it. */
const COLD_START_WAIT_MS = 20_000;
/** Enough for the record of an epoch, not for a datastore. */
const LEFT_ON_CARD = 64 * 1024;
/** Between two machines' power in one order. */
const APART_MS = 1500;

/** All lose their power; the last server stays dead, the others return in this order. */
const startWithout = async (stage: Stage, reversed: boolean): Promise<number> => {
  const last = await stage.settled();
  const { machines } = stage.fleet;
  const cuts = await Promise.all(machines.map((one) => one.cutPower()));
  const atMs = Math.max(...cuts) + IN_FLIGHT_MS;
  const others = machines.filter((one) => one !== last);
  const order = reversed ? others.toReversed() : others;
  stage.tell(`no power anywhere; ${names(order)} return without ${last.name}, the last server`);
  for (const machine of order) {
    await machine.boot();
    await sleep(APART_MS);
  }
  const { server, gapMs } = await stage.failover(atMs, last);
  stage.tell(`${server.name} serves after ${gapMs} ms`);
  await last.boot();
  await stage.settled();
  return gapMs;
};

const names = (machines: readonly Machine[]): string => machines.map(({ name }) => name).join(', ');

const coldStart = async (stage: Stage): Promise<CaseReport> => {
  const began = Date.now();
  const gaps: number[] = [];
  const wrong: string[] = [];
  for (const reversed of [false, true]) {
    const gapMs = await startWithout(stage, reversed);
    gaps.push(gapMs);
    if (gapMs < COLD_START_WAIT_MS) wrong.push(`the last server was not waited for (${gapMs} ms)`);
  }
  return { gapMs: Math.max(...gaps), lossesAtMs: began, memoryLost: true, wrong };
};

/** The receiver that the others prefer cannot take the datastore: it must give the lease back. */
const fullDisk = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const { epoch } = stage.observer;
  const full = await stage.receiver();
  full.disk.fill(LEFT_ON_CARD);
  const atMs = await old.cutPower();
  stage.tell(`${old.name}, the server, has lost its power; the card of ${full.name} is full`);
  const { server, gapMs } = await stage.failover(atMs, old);
  stage.tell(`${server.name} serves after ${gapMs} ms`);
  const tries = stage.observer.holders.filter((one) => one.node === full.name && one.epoch > epoch);
  full.disk.fill(null);
  await old.boot();
  await stage.settled();
  const wrong = tries.length > 0 ? [] : [`${full.name} never tried: its full card proved nothing`];
  if (server === full) wrong.push(`${full.name} serves from a full card`);
  return { gapMs, lossesAtMs: atMs, wrong };
};

export const startCases: readonly Case[] = [
  {
    name: 'cold-start',
    what: 'everybody loses power, the last server stays dead, in every order of the others',
    random: false,
    fleet: {
      count: 3,
      witness: false,
      settings: { lease: { cold_start_wait_ms: COLD_START_WAIT_MS } },
    },
    play: coldStart,
  },
  {
    name: 'full-disk',
    what: 'the server dies, and the card of the next one is full',
    random: false,
    // The first receiver is preferred, whoever serves.
    fleet: { count: 3, witness: false, weights: [100, 50, 0] },
    play: fullDisk,
  },
];
