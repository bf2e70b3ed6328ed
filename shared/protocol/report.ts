/**
 * A node's report: everything another node, the coordinator or the `baton` command shows of it.
 *
 * It travels retained as JSON on `baton-wire/<node>/report` and over direct links. It is a view:
 * nothing safe is ever decided from it. Validated by shared/protocol/report-codec.ts.
 */
import type { MemberList, NodeName } from './lease-messages.ts';

/** What a node reports of itself. Durations in the unit named by the field. */
export interface NodeReport {
  readonly node: NodeName;
  readonly boot_id: string;
  /** Rises by one with each report of one process. */
  readonly sequence: number;
  /** Wall clock at the process's start, ms since 1970; only to tell two lives apart. */
  readonly started_ms: number;
  readonly eligible: boolean;
  readonly voter: boolean;
  readonly role: 'master' | 'receiver' | 'witness' | 'follower' | 'fenced';
  readonly phase: string;
  readonly epoch: number;
  readonly master: NodeName | null;
  readonly api: string | null;
  readonly list: MemberList | null;
  /** Milliseconds left of the lease held, null when none is held. */
  readonly lease_left_ms: number | null;
  /** Replica or datastore: (lineage epoch, revision) of the last row. */
  readonly lineage_epoch: number;
  readonly revision: number;
  /** As master: per connected receiver, what it acknowledged and how far behind that is. */
  readonly receivers: readonly {
    readonly node: NodeName;
    readonly lineage_epoch: number;
    readonly revision: number;
    readonly lag_revisions: number;
    readonly lag_ms: number;
  }[];
  readonly k3s: string;
  readonly memory: { readonly rss_mb: number; readonly anon_mb: number };
  /** Processor time this process has used since its start, seconds. */
  readonly cpu_s: number;
  readonly reasons: readonly {
    readonly ago_ms: number;
    readonly epoch: number;
    readonly reason: string;
  }[];
  /** Findings a person must see: quarantined lone revisions, alarms, fall-backs, refused links. */
  readonly findings: readonly { readonly code: string; readonly text: string }[];
  /** Lines of the last change of master, oldest first: step, milliseconds since the vacancy. */
  readonly promotion: readonly { readonly step: string; readonly at_ms: number }[];
}

/** The scout's ranking as a coordinator publishes it on `baton/cluster/ranking` and the wire. */
export interface Ranking {
  readonly coordinator: string;
  readonly order: readonly {
    readonly node: NodeName;
    readonly score: number;
    readonly reasons: readonly string[];
  }[];
}
