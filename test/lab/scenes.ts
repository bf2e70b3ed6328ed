/**
 * What can befall a cluster, one function per scene. Each begins and ends with a settled cluster,
 * tells its story on the timeline and leaves a row.
 */
import { failover } from './failover.ts';
import type { FaultRow } from './fault-table.ts';
import type { LabNode } from './lab-node.ts';
import { serverPid } from './observer.ts';
import type { Stage } from './stage.ts';
import { isAlive } from './tagged-processes.ts';
import { secondsOf } from './timeline.ts';

/** After a coordinator's end: longer than a lease, so that a failover would have happened. */
const COORDINATOR_WATCH_MS = 10_000;
/** After a thaw: longer than the dead man's period and a renewal together. */
const THAW_WATCH_MS = 4000;
const RETURN_LIMIT_MS = 60_000;
/** The dead man must have ended the server by then: 5 s deadline, 1 s period, 0.5 s kill. */
const DEAD_MAN_LIMIT_MS = 6500;
/** What the loaded machine may add to reading that from outside: one probe and one tick. */
const WATCH_SLACK_MS = 250;

/** Everything is switched on for the first time; ends when every receiver has every revision. */
export const firstStart = async (stage: Stage): Promise<FaultRow> => {
  const { timeline, cluster, workload } = stage;
  const atMs = Date.now();
  timeline.tell('plain', `${cluster.nodes.length} nodes are switched on`, atMs);
  timeline.tell('news', 'a voter that has just booted is silent for one whole lease (8 s)');
  for (const node of cluster.nodes) stage.boot(node);
  workload.start();
  const row = await failover(stage, { fault: 'first start', node: null, atMs, epochBefore: 0 });
  await stage.settled();
  timeline.tell('good', 'every receiver has every revision');
  return row;
};

/** The master's node dies as a whole; ends when another serves. The node stays dead. */
export const masterDies = async (stage: Stage): Promise<{ row: FaultRow; node: LabNode }> => {
  const { timeline, observer } = stage;
  await stage.settled();
  const node = await stage.master();
  stage.beforeFault();
  const epochBefore = observer.epoch;
  stage.collectLogs();
  const atMs = await node.cutPower();
  timeline.tell('fault', `${node.name}, the master, is killed with everything on it`, atMs);
  const row = await failover(stage, { fault: 'master killed', node, atMs, epochBefore });
  return { row, node };
};

/** A dead node gets power again; it must come back as a receiver and leave the master alone. */
export const nodeReturns = async (stage: Stage, node: LabNode): Promise<void> => {
  const { timeline, observer } = stage;
  timeline.tell('plain', `${node.name} is switched on again`);
  const bootMs = Date.now();
  stage.boot(node);
  const follows = await stage.waitFor(`${node.name} following`, RETURN_LIMIT_MS, () => {
    const report = observer.report(node.name);
    return report !== null && report.master !== null && report.master !== node.name && report;
  });
  timeline.tell('news', `${node.name} follows ${follows.master} as ${follows.role}`);
  await stage.settled();
  const took = secondsOf(Date.now() - bootMs, 1);
  timeline.tell('good', `${node.name} is back with every revision and a vote, after ${took} s`);
  tellFindings(stage, node);
};

/** What the node wants a person to see, first sentence each. */
const tellFindings = (stage: Stage, node: LabNode): void => {
  for (const { text } of stage.observer.report(node.name)?.findings ?? []) {
    stage.timeline.tell('news', `${node.name} reports: ${text.split(/(?<=\.) /)[0]}`);
  }
};

/** Longest silence between two answers in a stretch of time, ms. */
const longestGap = (stage: Stage, fromMs: number, toMs: number): number => {
  const times = stage.workload.acknowledged
    .map(({ atMs }) => atMs)
    .filter((atMs) => atMs >= fromMs && atMs <= toMs);
  return Math.max(0, ...[...times, toMs].map((atMs, index) => atMs - (times[index - 1] ?? fromMs)));
};

/** The coordinator beside the master dies. Nothing may follow from it. */
export const coordinatorDies = async (stage: Stage): Promise<FaultRow> => {
  const { timeline, cluster, observer, workload } = stage;
  await stage.settled();
  const master = await stage.master();
  const node = master.place.coordinator
    ? master
    : (cluster.nodes.find((one) => one.place.coordinator) ?? master);
  stage.beforeFault();
  const epoch = observer.epoch;
  const atMs = node.kill('coordinator');
  timeline.tell('fault', `the coordinator on ${node.name} is killed`, atMs);
  timeline.tell('news', `${COORDINATOR_WATCH_MS / 1000} s pass, longer than a lease`);
  await stage.pause(COORDINATOR_WATCH_MS);
  const gap = longestGap(stage, atMs, Date.now());
  const calm = observer.epoch === epoch && (await stage.master()) === master;
  timeline.tell(
    calm ? 'good' : 'bad',
    calm
      ? `${master.name} is still master under epoch ${epoch}: no failover, writes never stopped`
      : `the master changed although only a coordinator died: epoch ${observer.epoch}`,
  );
  stage.beforeFault(); // A change of master here is an unwanted one.
  node.startCoordinator();
  const row = {
    ...quietRow(stage, `coordinator killed`, node, atMs),
    apiGapMs: gap,
    epoch: observer.epoch,
    acknowledged: workload.acknowledged.filter((one) => one.atMs > (stage.rows.at(-1)?.atMs ?? 0))
      .length,
    master: master.name,
  };
  stage.rows.push(row);
  return row;
};

const quietRow = (_stage: Stage, fault: string, node: LabNode, atMs: number) => ({
  fault,
  node: node.name,
  atMs,
  detectionMs: null,
  leaseMs: null,
  promotionMs: null,
  readyMs: null,
  lostOld: 0,
  lostRecent: 0,
  atRiskMs: 0,
});

const isLoneRevisions = ({ code }: { code: string }): boolean => code === 'lone-revisions';

export interface FreezeVerdict {
  readonly row: FaultRow;
  /** How long after the freeze the old server still answered. */
  readonly servedForMs: number;
  readonly deadManInTime: boolean;
  /** It answered somebody after the thaw. */
  readonly servedAfterThaw: boolean;
  /** The writes that only the frozen node had are saved and reported there. */
  readonly loneReported: boolean;
}

/**
 * Waits until the server of a frozen agent is dead, and tells so; at most until it must be. Its
 * process counts, not its silence: on a loaded machine a server is silent for a moment.
 */
const serverEnds = async (
  stage: Stage,
  node: LabNode,
  servedUntilMs: () => number,
): Promise<void> => {
  const fromMs = Date.now();
  const pid = serverPid(node);
  const dead = (): boolean => pid === null || !isAlive(pid);
  const late = (): boolean => Date.now() - fromMs > DEAD_MAN_LIMIT_MS + WATCH_SLACK_MS;
  await stage.waitFor('the end of the server', 2 * DEAD_MAN_LIMIT_MS, () => dead() || late());
  const after = (atMs: number) => `${secondsOf(atMs - fromMs, 1)} s after the freeze`;
  if (dead()) {
    const sentence = `the dead man’s switch has ended the server of ${node.name}: its last answer`;
    stage.timeline.tell('good', `${sentence} came ${after(servedUntilMs())}`);
  } else {
    stage.timeline.tell('bad', `the server of ${node.name} still runs, ${after(Date.now())}`);
  }
};

/** The master's agent is frozen: its server must end, and must not serve after the thaw. */
export const agentFreezes = async (stage: Stage): Promise<FreezeVerdict> => {
  const { timeline, observer, probes } = stage;
  await stage.settled();
  const node = await stage.master();
  stage.beforeFault();
  const epochBefore = observer.epoch;
  const atMs = node.freezeAgent();
  timeline.tell('fault', `the agent of ${node.name}, the master, is frozen (SIGSTOP)`, atMs);
  timeline.tell('news', 'its server goes on answering, and nobody renews the lease');
  const servedUntilMs = () => probes.lastAnswer(node.name) ?? atMs;
  await serverEnds(stage, node, servedUntilMs);
  const row = await failover(stage, {
    fault: 'master’s agent frozen',
    node,
    atMs,
    epochBefore,
    servedUntilMs,
  });
  const servedForMs = servedUntilMs() - atMs;
  const deadManInTime = servedForMs <= DEAD_MAN_LIMIT_MS + WATCH_SLACK_MS;
  const thawMs = node.thawAgent();
  timeline.tell('plain', `${node.name}’s agent runs again (SIGCONT)`, thawMs);
  await stage.pause(THAW_WATCH_MS);
  const servedAfterThaw = servedUntilMs() >= thawMs;
  timeline.tell(
    servedAfterThaw ? 'bad' : 'good',
    servedAfterThaw ? `${node.name} served after the thaw` : `${node.name} serves nobody`,
  );
  await stage.settled();
  timeline.tell('good', `${node.name} is a receiver with every revision`);
  tellFindings(stage, node);
  const findings = observer.report(node.name)?.findings ?? [];
  const loneReported = row.lostRecent === 0 || findings.some(isLoneRevisions);
  if (!loneReported) timeline.tell('bad', `${node.name} says nothing of the writes only it has`);
  return { row, servedForMs, deadManInTime, servedAfterThaw, loneReported };
};

/** Every node loses power at once and gets it back. */
export const allDie = async (stage: Stage): Promise<FaultRow> => {
  const { timeline, observer, cluster } = stage;
  await stage.settled();
  stage.beforeFault();
  const epochBefore = observer.epoch;
  stage.collectLogs();
  const atMs = await cluster.cutPower();
  timeline.tell('fault', `all ${cluster.nodes.length} nodes are killed`, atMs);
  for (const node of cluster.nodes) stage.boot(node);
  timeline.tell('plain', 'all of them are switched on again');
  const row = await failover(stage, { fault: 'all nodes killed', node: null, atMs, epochBefore });
  await stage.settled();
  timeline.tell('good', 'every receiver has every revision');
  return row;
};
