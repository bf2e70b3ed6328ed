/**
 * Kills the master's node again and again at random moments, and brings it back each time. The
 * demo's second act, and the whole of `npm run bench -- failover`.
 */
import type { FaultRow } from './fault-table.ts';
import { firstStart, masterDies, nodeReturns } from './scenes.ts';
import { type Stage, type StageOptions, setStage } from './stage.ts';
import { faultFigures } from './verdict.ts';

/** A kill comes at any moment of a renewal round, of a batch, of a checkpoint. */
const SHORTEST_WAIT_MS = 3000;
const LONGEST_WAIT_MS = 6000;

export const killAgainAndAgain = async (stage: Stage, kills: number): Promise<void> => {
  for (let count = 1; count <= kills; count++) {
    if (kills > 1) stage.timeline.print(`kill ${count} of ${kills}`);
    await stage.settled();
    const wait = SHORTEST_WAIT_MS + Math.random() * (LONGEST_WAIT_MS - SHORTEST_WAIT_MS);
    await stage.pause(wait);
    const { node } = await masterDies(stage);
    await nodeReturns(stage, node);
  }
};

export interface KillOptions extends StageOptions {
  readonly kills: number;
  /** Called between the last kill and the end, with everything still running. */
  readonly before?: (stage: Stage) => Promise<void>;
}

export interface KillResult {
  readonly k3s: string;
  readonly rows: readonly FaultRow[];
  readonly figures: ReturnType<typeof faultFigures>;
}

/**
 * A cluster of its own, started, killed `kills` times and taken away. Errors: `port-in-use`,
 * `process-failed`, `process-failed`; nothing is left behind then either.
 */
export const runKills = async (options: KillOptions): Promise<KillResult> => {
  const stage = await setStage(options);
  try {
    await firstStart(stage);
    await killAgainAndAgain(stage, options.kills);
    stage.beforeFault(); // What happened since the last kill counts too.
    await options.before?.(stage);
    await stage.workload.pause();
    const figures = faultFigures({
      rows: stage.rows,
      acknowledged: stage.workload.ledger.acknowledged,
      twoServers: stage.overlaps().length,
      unwantedFailovers: stage.unwantedFailovers,
    });
    return { k3s: stage.cluster.controlPlane.version, rows: stage.rows, figures };
  } finally {
    await stage.close();
  }
};
