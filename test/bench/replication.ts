/**
 * `npm run bench -- replication`: steady writes through the API of the master, its own stream to
 * the receivers and, beside it on the same datastore, Litestream to a folder. For each write: from
 * the client's answer until the copy has it.
 *
 * The lag is taken over every receiver, and a write counts as at risk until the last of them has
 * it: stricter to ourselves than to Litestream, which has one replica. Deletes are left out, their
 * answer carries no revision. The replica folder lies beside the nodes' folders, in memory where
 * they are, so that no slow disk is held against Litestream.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LabNode } from '../lab/lab-node.ts';
import { type Figure, figure } from '../lab/result-file.ts';
import { firstStart } from '../lab/scenes.ts';
import { type Stage, type StageOptions, setStage } from '../lab/stage.ts';
import { percentile } from '../lab/verdict.ts';
import { parseAcknowledgements } from './acknowledgements.ts';
import { type Milestone, type Risks, risksOf, type Write } from './at-risk.ts';
import { litestream } from './litestream/build.ts';
import { type LitestreamReplica, startLitestream } from './litestream/replica.ts';

/** First snapshot and first file of Litestream. */
const START_LIMIT_MS = 30_000;
/** After the last write both copies must have everything within this. */
const CATCH_UP_LIMIT_MS = 15_000;

export interface ReplicationOptions extends StageOptions {
  readonly seconds: number;
}

export interface ReplicationResult {
  readonly k3s: string;
  readonly figures: readonly Figure[];
  /** Every write was measured on every copy. */
  readonly complete: boolean;
}

const highest = (milestones: readonly Milestone[]): number =>
  Math.max(0, ...milestones.map(({ revision }) => revision));

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // No acknowledgement yet.
  }
};

/** Milestones of every node but the master; one that never acknowledged has none. */
const receiversOf = (stage: Stage, master: LabNode): ReadonlyMap<string, readonly Milestone[]> => {
  const { byReceiver } = parseAcknowledgements(readText(master.place.ackLog));
  const receivers = stage.cluster.nodes.filter((node) => node !== master);
  return new Map(receivers.map(({ name }) => [name, byReceiver.get(name) ?? []]));
};

/** Null, with a line about it, where it cannot be had. */
async function litestreamBeside(
  program: string | null,
  stage: Stage,
  master: LabNode,
): Promise<LitestreamReplica | null> {
  if (program === null) return null;
  const folder = join(stage.cluster.folder, 'litestream');
  mkdirSync(folder, { recursive: true });
  const database = join(master.place.k3sDataDir, 'server/db/state.db');
  const replica = startLitestream({ program, database, folder });
  const before = stage.workload.lastAcknowledged(Date.now())?.revision ?? 1;
  try {
    // Up to what was there when it began: from here on both copies are in step.
    await stage.waitFor('Litestream in step', START_LIMIT_MS, () => {
      return highest(replica.milestones()) >= before;
    });
  } catch (error) {
    await replica.stop();
    throw error;
  }
  stage.timeline.tell('plain', `Litestream replicates the datastore of ${master.name}`);
  return replica;
}

/** The load; returns the writes that were answered meanwhile. */
async function measure(stage: Stage, seconds: number): Promise<readonly Write[]> {
  const { workload, signal } = stage;
  const fromMs = Date.now();
  await sleep(seconds * 1000, undefined, signal === undefined ? {} : { signal });
  await workload.pause();
  return workload.acknowledged.flatMap(({ revision, atMs }) =>
    revision !== null && atMs >= fromMs ? [{ revision, atMs }] : [],
  );
}

const line = (name: string, { times }: Risks): string => {
  const ms = (share: number) => (percentile(times, share) ?? Number.NaN).toFixed(1);
  return `${name}: p50 ${ms(0.5)} ms, p99 ${ms(0.99)} ms, longest ${ms(1)} ms`;
};

function figuresOf(
  ours: readonly Risks[],
  theirs: Risks | null,
  facts: { readonly acknowledged: number; readonly unwanted: number },
): Figure[] {
  const lags = ours.flatMap(({ times }) => times);
  const atRisk = percentile(lags, 1);
  const other = theirs === null ? null : percentile(theirs.times, 1);
  // A resolution of 1 ms: what took less counts as 1.
  const ratio = other === null || atRisk === null ? null : other / Math.max(1, atRisk);
  return [
    figure('lag_p50_ms', percentile(lags, 0.5)),
    figure('lag_p99_ms', percentile(lags, 0.99)),
    figure('at_risk_max_ms', atRisk),
    figure('litestream_at_risk_max_ms', other),
    figure('litestream_ratio', ratio),
    figure('acknowledged_writes', facts.acknowledged),
    figure('unwanted_failovers', facts.unwanted),
  ];
}

/** The measurement itself, on a cluster that runs. */
async function measureCopies(
  stage: Stage,
  program: string | null,
  seconds: number,
): Promise<Omit<ReplicationResult, 'k3s'>> {
  const { timeline } = stage;
  const master = await stage.master();
  stage.beforeFault();
  const unwantedBefore = stage.unwantedFailovers;
  const replica = await litestreamBeside(program, stage, master);
  try {
    timeline.tell('plain', `${seconds} s of writes are measured`);
    const writes = await measure(stage, seconds);
    const last = highest(writes);
    await stage.waitFor('every copy with every write', CATCH_UP_LIMIT_MS, () => {
      const receivers = [...receiversOf(stage, master).values()];
      const copies = replica === null ? receivers : [...receivers, replica.milestones()];
      return copies.every((milestones) => highest(milestones) >= last);
    });
    const receivers = receiversOf(stage, master);
    const ours = [...receivers].map(([name, milestones]) => {
      const risks = risksOf(writes, milestones);
      timeline.print(line(`baton to ${name}`, risks));
      return risks;
    });
    const theirs = replica === null ? null : risksOf(writes, replica.milestones());
    if (theirs !== null) timeline.print(line('Litestream to a folder', theirs));
    stage.beforeFault(); // Nothing was broken: any change of master was unwanted.
    const unwanted = stage.unwantedFailovers - unwantedBefore;
    const all = theirs === null ? ours : [...ours, theirs];
    return {
      figures: figuresOf(ours, theirs, { acknowledged: writes.length, unwanted }),
      complete: writes.length > 0 && all.every(({ uncovered }) => uncovered === 0),
    };
  } finally {
    await replica?.stop();
  }
}

/** Errors: those of a stage, and `process-timeout` when a copy never gets everything. */
export async function benchReplication(options: ReplicationOptions): Promise<ReplicationResult> {
  const { timeline, seconds } = options;
  const built = await litestream(timeline.print);
  if (built.ok) timeline.print(`Litestream ${built.version} runs beside, with its defaults`);
  else timeline.print(`Litestream is left out: ${built.reason}`);
  const stage = await setStage({ ...options, ackLog: true });
  try {
    await firstStart(stage);
    const measured = await measureCopies(stage, built.ok ? built.path : null, seconds);
    return { k3s: stage.cluster.controlPlane.version, ...measured };
  } finally {
    await stage.close();
  }
}
