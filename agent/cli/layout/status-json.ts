/**
 * `baton status --json`: the answer of the agent as it is, and before it `cluster`, which holds
 * what `baton status` concludes from it, so that no script has to conclude it again. Pure.
 */
import type { StatusAnswer } from '../control.ts';
import { clusterView } from './cluster-view.ts';

/** Names and units of `cluster` are part of the command's interface. */
export interface ClusterSummary {
  readonly epoch: number;
  readonly master: string | null;
  /** The master has said that its server answers. */
  readonly serving: boolean;
  /** Names of voters that count now, and of those that have been heard. */
  readonly members: readonly string[];
  readonly reachable: readonly string[];
  readonly majority: number;
  /** Voters that may still fail; negative without a majority. */
  readonly spare: number;
  /** Candidates if the master died now, best first. */
  readonly next: readonly string[];
}

export interface StatusJson extends StatusAnswer {
  readonly cluster: ClusterSummary;
}

export function statusJson(answer: StatusAnswer): StatusJson {
  const { epoch, master, masterReport, members, reachable, majority, spare, next } =
    clusterView(answer);
  const serving = masterReport?.role === 'master' && masterReport.phase === 'serving';
  const cluster = { epoch, master, serving, members, reachable, majority, spare, next };
  return { cluster, ...answer };
}
