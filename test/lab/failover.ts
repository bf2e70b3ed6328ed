/**
 * From a fault to the row about it: waits until another server takes writes, tells the timeline
 * what happens on the way, and asks the new server what it still has.
 */
import type { FaultRow } from './fault-table.ts';
import type { LabNode } from './lab-node.ts';
import type { Operation } from './ledger.ts';
import { leaseTaken, serverStartedMs } from './observer.ts';
import type { Stage } from './stage.ts';
import { secondsOf } from './timeline.ts';

/** Lease, stagger, yield and a slow server; what takes longer than this has failed. */
const LIMIT_MS = 120_000;
/** Answers that a killed server had sent are read within this time; nobody serves so soon. */
const LAST_ANSWERS_MS = 1000;

export interface Fault {
  /** For the table. */
  readonly fault: string;
  /** Null when it befell all nodes. */
  readonly node: LabNode | null;
  /** Wall clock, ms. */
  readonly atMs: number;
  readonly epochBefore: number;
  /** The old server's end, where that is not the fault itself (a freeze). */
  readonly servedUntilMs?: () => number;
}

const after = (fault: Fault, atMs: number | null): number | null =>
  atMs === null || !Number.isFinite(atMs) ? null : atMs - fault.atMs;

/** Waits for lease, ready API and first write, in that order, and tells of each. */
const follow = async (stage: Stage, fault: Fault) => {
  const { observer, probes, timeline, workload } = stage;
  const since = fault.atMs;
  const old = fault.node?.name;
  const then = (ms: number) => `after ${secondsOf(ms - since, 1)} s`;
  const missed =
    old === undefined
      ? null
      : await stage.waitFor(`somebody missing ${old}`, LIMIT_MS, () =>
          observer.firstMissed(old, since),
        );
  if (missed !== null) {
    timeline.tell('news', `${missed.node} misses its master, ${then(missed.atMs)}`, missed.atMs);
  }
  const holder = await stage.waitFor('a new holder of the lease', LIMIT_MS, () =>
    observer.firstHolder(since, fault.epochBefore),
  );
  const ready = await stage.waitFor('a new server that is ready', LIMIT_MS, () =>
    probes.firstReady(old === undefined ? since + LAST_ANSWERS_MS : since, old),
  );
  const node = stage.cluster.node(ready.node);
  const report = observer.report(node.name);
  const started = serverStartedMs(node);
  const taken = report === null ? null : leaseTaken(node, report);
  const leaseMs = taken?.takenMs ?? holder.atMs;
  // Whoever told first: the asking sees every survivor, each 50 ms; the timeline only the new one.
  const detections = [missed?.atMs, missed === null ? null : taken?.missedMs];
  const detectedMs = Math.min(...detections.filter((one) => typeof one === 'number'));
  const epoch = report?.epoch ?? holder.epoch;
  timeline.tell('lease', `${node.name} holds the lease: epoch ${epoch}, ${then(leaseMs)}`, leaseMs);
  if (started !== null && started > since) {
    timeline.tell('news', `${ready.node} starts its server, ${then(started)}`, started);
  }
  timeline.tell('good', `the API of ${ready.node} is ready, ${then(ready.atMs)}`, ready.atMs);
  const first = await stage.waitFor('a first write', LIMIT_MS, () =>
    // Not since the fault: the last answers of a killed server arrive a moment after it.
    workload.firstAcknowledged(leaseMs, ready.node),
  );
  return { detectedMs, leaseMs, started, ready, first };
};

/** How long the cut-off server went on taking writes that nobody else has. */
const atRiskOf = (fault: Fault, gone: readonly Operation[], atRiskMs: number): number => {
  if (fault.servedUntilMs === undefined) return atRiskMs;
  const times = gone.map(({ acknowledgedMs }) => acknowledgedMs ?? 0);
  return times.length === 0 ? 0 : fault.servedUntilMs() - Math.min(...times);
};

const tellLosses = (stage: Stage, row: FaultRow): void => {
  const { timeline } = stage;
  const total = row.lostOld + row.lostRecent;
  if (row.acknowledged === 0) {
    timeline.tell('good', 'the first write is answered', row.atMs + row.apiGapMs);
    return;
  }
  timeline.tell(
    total === 0 ? 'good' : row.lostOld > 0 ? 'bad' : 'plain',
    total === 0
      ? `writes flow again after ${secondsOf(row.apiGapMs)} s; none of ${row.acknowledged} is lost`
      : `writes flow again after ${secondsOf(row.apiGapMs)} s; of ${row.acknowledged} ` +
          `acknowledged ${total} are not on ${row.master}`,
  );
};

/** The whole of it. The row is added to the stage's. Errors: `process-failed`. */
export const failover = async (stage: Stage, fault: Fault): Promise<FaultRow> => {
  const { workload, cluster } = stage;
  const seen = await follow(stage, fault);
  const state = await workload.readState(cluster.node(seen.ready.node));
  const known = await stage.waitFor('a list of all objects', 1000, () => state);
  const losses = workload.ledger.newLosses(known, fault.atMs);
  const gone = [...losses.old, ...losses.recent];
  const previous = stage.rows.at(-1)?.atMs ?? 0;
  const { acknowledged } = workload;
  // A frozen agent's server goes on answering after the fault; all others stop with it.
  const old = fault.node?.name;
  const before = workload.lastAcknowledged(old === undefined ? fault.atMs : seen.first.atMs, old);
  const row: FaultRow = {
    fault: fault.fault,
    node: fault.node?.name ?? null,
    atMs: fault.atMs,
    detectionMs: after(fault, seen.detectedMs),
    leaseMs: after(fault, seen.leaseMs),
    promotionMs: after(fault, seen.started),
    readyMs: after(fault, seen.ready.atMs),
    apiGapMs: seen.first.atMs - (before?.atMs ?? fault.atMs),
    acknowledged: acknowledged.filter(({ atMs }) => atMs > previous && atMs < seen.first.atMs)
      .length,
    lostOld: losses.old.length,
    lostRecent: losses.recent.length,
    atRiskMs: atRiskOf(fault, gone, losses.atRiskMs),
    epoch: stage.observer.epoch,
    master: seen.ready.node,
  };
  stage.rows.push(row);
  tellLosses(stage, row);
  stage.afterFault();
  return row;
};
