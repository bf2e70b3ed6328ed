/**
 * What the `baton` command and the local agent say to each other: one JSON line in, one out, on
 * the agent's unix socket. Types only; answers.ts validates what comes back.
 *
 * The socket's permissions decide who may ask (group `baton`); nothing here is a secret.
 */
import type { NodeReport, Ranking } from '../../shared/protocol/report.ts';
import type { Command } from '../core/types.ts';

export type ControlRequest =
  | { readonly verb: 'status' }
  | { readonly verb: 'command'; readonly command: Command };

/** The cluster as the local agent sees it; `reports` may or may not hold `self` as well. */
export interface StatusAnswer {
  readonly self: NodeReport;
  readonly reports: readonly NodeReport[];
  readonly ranking: Ranking | null;
  /**
   * How long ago, in milliseconds, something new came from each of the others. A report lies
   * retained in the brokers when its node has long been dead, so only this tells them apart.
   */
  readonly heard: readonly { readonly node: string; readonly ago_ms: number }[];
  /** Every coordinator of the settings, and whether this agent is connected to its broker. */
  readonly coordinators: readonly { readonly node: string; readonly connected: boolean }[];
}

/** How a command ended, in words for the person who gave it. */
export interface CommandAnswer {
  readonly ok: boolean;
  readonly text: string;
}
