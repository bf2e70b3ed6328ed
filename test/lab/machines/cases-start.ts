/** Cases in which every machine was without power, or the next server's card is full. */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Case, type CaseReport, IN_FLIGHT_MS, SERVER_DB, WATCH_MS } from './case.ts';
import type { Machine } from './machine.ts';
import type { Stage } from './stage.ts';

/** In place of the default of five minutes, which nothing but patience distinguishes from it. */
const COLD_START_WAIT_MS = 12_000;
/** Enough for the record of an epoch, not for a datastore. */
const LEFT_ON_CARD = 64 * 1024;
/** Between two machines' power in one order. */
const APART_MS = 1500;
/** A server's first renewal has told the voters that there are rows. */
const KNOWN_MS = 3000;
const DATASTORE = ['state.db', 'state.db-wal'].map((name) => `${SERVER_DB}/${name}`);
/** Written 15 s after a change of master. */
const SAVED = '/var/lib/baton/replica.db';
const SAVE_LIMIT_MS = 90_000;

const names = (machines: readonly Machine[]): string => machines.map(({ name }) => name).join(', ');

/** When the file was written, wall ms; 0 while it is not there. */
const writtenMs = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/**
 * A replica of the present epoch is on every receiver's card: it is written there soon after a
 * change of master. Resolves with the wall clock of the oldest one, ms.
 */
const replicasSaved = async (stage: Stage): Promise<number> => {
  const server = await stage.settled();
  const changedMs = stage.observer.holders.at(-1)?.atMs ?? 0;
  const receivers = stage.fleet.machines.filter((one) => one !== server);
  const oldest = (): number => Math.min(...receivers.map((one) => writtenMs(one.path(SAVED))));
  const limit = SAVE_LIMIT_MS;
  return stage.waitFor('a saved replica on every card', limit, () => {
    const savedMs = oldest();
    return savedMs > changedMs ? savedMs : null;
  });
};

interface Cut {
  readonly last: Machine;
  readonly others: readonly Machine[];
  /** When nobody could answer any more, wall ms. */
  readonly atMs: number;
}

/** All lose their power at once; then all but the last server get it back, in an order. */
const allButLast = async (stage: Stage, reversed: boolean): Promise<Cut> => {
  const last = await stage.settled();
  const { machines } = stage.fleet;
  const cuts = await Promise.all(machines.map((one) => one.cutPower()));
  const rest = machines.filter((one) => one !== last);
  const others = reversed ? rest.toReversed() : rest;
  stage.tell(`no power anywhere; ${names(others)} return without ${last.name}, the last server`);
  for (const machine of others) {
    await machine.boot();
    await sleep(APART_MS);
  }
  return { last, others, atMs: Math.max(...cuts) + IN_FLIGHT_MS };
};

/**
 * Nothing but the last server's card has rows: nobody may begin an empty cluster beside it. Its
 * datastore is synced on the way: what it had until then must be there in the end.
 */
const withoutReplicas = async (stage: Stage): Promise<string[]> => {
  const server = await stage.settled();
  await sleep(KNOWN_MS);
  const syncedMs = Date.now();
  await server.call('sync', ...DATASTORE);
  const { last, others, atMs } = await allButLast(stage, false);
  await sleep(COLD_START_WAIT_MS + 2 * WATCH_MS);
  const wrong: string[] = [];
  const served = stage.probes.firstReady(atMs);
  if (served !== null) wrong.push(`${served.node} began an empty cluster without ${last.name}`);
  for (const machine of others) {
    const text = await machine.call('sh', '-c', 'baton status 2>&1; baton why --all 2>&1');
    if (!text.includes(`start ${last.name}`)) wrong.push(`${machine.name} does not say: ${text}`);
  }
  await last.boot();
  // As a rule itself; k3s does not sync its certificates, and a power cut may leave half of one.
  const again = await stage.failover(atMs, null);
  stage.tell(`they waited for ${last.name}; ${again.server.name} serves`);
  await stage.losses(atMs, { recentMs: atMs - syncedMs, againMs: atMs });
  return wrong;
};

/** The best saved replica is served once the last server has been waited for. */
const withReplicas = async (stage: Stage, reversed: boolean): Promise<CaseReport> => {
  const savedMs = await replicasSaved(stage);
  const { last, atMs } = await allButLast(stage, reversed);
  const { gapMs } = await stage.failover(atMs, last);
  const lost = await stage.losses(savedMs);
  await last.boot();
  const wrong: string[] = [];
  if (gapMs < COLD_START_WAIT_MS) wrong.push(`${last.name} was not waited for (${gapMs} ms)`);
  if (lost.old > 0) wrong.push(`${lost.old} writes are gone that the saved replicas had`);
  stage.tell(`${lost.recent} writes were on the card of ${last.name} alone`);
  return { gapMs, lossesAtMs: null, wrong };
};

const coldStart = async (stage: Stage): Promise<CaseReport> => {
  const wrong = await withoutReplicas(stage);
  const gaps: number[] = [];
  for (const reversed of [false, true]) {
    const report = await withReplicas(stage, reversed);
    gaps.push(report.gapMs ?? 0);
    wrong.push(...report.wrong);
  }
  await stage.settled();
  return { gapMs: Math.max(...gaps), lossesAtMs: null, wrong };
};

/** The full one is the first in rank; on a busy host another may be faster, and proves nothing. */
const MOST_TRIES = 3;

interface FullDiskReport extends CaseReport {
  readonly lossesAtMs: number;
  /** The machine with the full card held the lease. */
  readonly tried: boolean;
}

const dieBesideFullDisk = async (stage: Stage): Promise<FullDiskReport> => {
  const old = await stage.settled();
  const { epoch } = stage.observer;
  const full = await stage.receiver();
  full.disk.fill(LEFT_ON_CARD);
  const atMs = await old.cutPower();
  stage.tell(`${old.name}, the server, has lost its power; the card of ${full.name} is full`);
  const { server, gapMs } = await stage.failover(atMs, old);
  const won = stage.observer.holders.some((one) => one.node === full.name && one.epoch > epoch);
  full.disk.fill(null);
  await old.boot();
  await stage.settled();
  const wrong = server === full ? [`${full.name} serves from a full card`] : [];
  return { gapMs, lossesAtMs: atMs, wrong, tried: won };
};

/** The receiver that the others prefer cannot take the datastore: it must give the lease back. */
const fullDisk = async (stage: Stage): Promise<CaseReport> => {
  const wrong: string[] = [];
  for (let left = MOST_TRIES - 1; ; left--) {
    const report = await dieBesideFullDisk(stage);
    wrong.push(...report.wrong);
    if (report.tried) return { ...report, wrong };
    stage.tell('the full card was not tried');
    await stage.losses(report.lossesAtMs);
    if (left === 0) wrong.push('the machine with the full card never tried');
    if (left === 0) return { ...report, wrong };
  }
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
