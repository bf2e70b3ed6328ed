/**
 * The contract between the pure core and the shell: what happens to a node (`AgentEvent`), what
 * it does about it (`Effect`), and what survives what.
 *
 * `decide(state, event, now, config)` returns the next state, the effects **in order**, and one
 * sentence of reason. The caller's duties (agent/loop.ts in the daemon, test/sim in the simulator):
 *  1. Carry the effects out in order. `persist_*` effects come before every `send` that depends
 *     on them; a persist that fails drops the rest of the list **and the new state**: the old state
 *     stays, and the event `persist_failed` follows. An event that nobody else repeats
 *     (`mustRepeat`) is fed again a second later, or a promotion would wait for its step forever;
 *     a timer of the same name that is armed meanwhile replaces it.
 *  2. Feed each event with the boot clock's `now`; `now` never goes back within one boot.
 *  3. Report every `step` effect's outcome as a `step_done` event, exactly once.
 *  4. Arm timers as asked; a timer of the same name replaces the earlier one. Late is allowed,
 *     early is not.
 * The core has no clock, randomness, socket, file or logger.
 */

import type {
  Ballot,
  LeaseMessage,
  MemberList,
  NodeName,
  Position,
} from '../../shared/protocol/lease-messages.ts';
import type { Duration, Instant, WallTime } from '../../shared/time/duration.ts';

/** What the configuration says of one node. */
export interface NodeEntry {
  readonly name: NodeName;
  /** May become master; holds a replica. A voter that is not eligible is a witness. */
  readonly eligible: boolean;
  readonly voter: boolean;
}

export interface CoreConfig {
  readonly node: NodeName;
  readonly nodes: readonly NodeEntry[];
  readonly leaseDuration: Duration;
  readonly renewInterval: Duration;
  /** Self-fence deadline, counted from the moment the last granted renewal was sent. */
  readonly fenceAfter: Duration;
  /** Bound on the drift between two monotonic clocks, for example 0.01. */
  readonly driftBound: number;
  /** Step of the boot clock; voters round up by it, owners round down. */
  readonly clockResolution: Duration;
  readonly answerTimeout: Duration;
  /** Candidates wait rank × this, so that the best one asks first. */
  readonly candidateStagger: Duration;
  /** How long a worse candidate yields to a better reachable one, once per vacancy (L14). */
  readonly yieldWait: Duration;
  readonly coldStartWait: Duration;
  readonly retireAfter: Duration;
  /** How long a node whose promotion failed leaves it to the others. */
  readonly sitOut: Duration;
  /** Restarts of a crashing server on the spot before the role is given away. */
  readonly serverRestarts: number;
  readonly apiHost: string;
  readonly apiPort: number;
}

/** Durable: synced to disk before any answer that depends on it; lost with the card only. */
export interface DiskRecord {
  readonly version: 1;
  readonly highest_epoch: number;
  readonly epoch_owner: NodeName | null;
  readonly list: MemberList;
  /** Newest wall time the cluster has shown, for starts on a lagging clock. */
  readonly newest_wall_ms: number;
  /** L14: a server of this cluster has served, so rows may exist. Absent: told by the epoch. */
  readonly served?: boolean;
  /** L2: the longest lease that this voter may have granted, ms. Absent: the configured one. */
  readonly longest_lease_ms?: number;
}

/**
 * Kept in /run (tmpfs), written before any answer; lost by a reboot. The lease core owns its
 * content; `agent/core/records.ts` validates it. Instants in it are of the boot named in `boot_id`.
 */
export interface RunRecord {
  readonly version: 1;
  readonly boot_id: string;
  readonly nonce: string;
  /** Everything else: opaque to the shell, JSON-safe. */
  readonly state: Readonly<Record<string, unknown>>;
}

/** What the shell found when the process started. */
export interface StartFacts {
  readonly bootId: string;
  /** Fresh random, used when there is no /run record of this boot. */
  readonly nonce: string;
  readonly run: RunRecord | null;
  readonly disk: DiskRecord | null;
  readonly datastore: DatastoreFacts;
  /** A server process of this node runs right now (the agent alone was restarted). */
  readonly serverRunning: boolean;
  readonly wall: { readonly time: WallTime; readonly synchronised: boolean };
}

/** What a node holds of the datastore: its replica, or as (former) master its own files. */
export interface DatastoreFacts {
  readonly lineageEpoch: number;
  readonly revision: number;
  /** False after an unclean boot of a former master: commits may be gone (a lossy start). */
  readonly clean: boolean;
  /** Where it is: own server files, or a replica, or nothing yet. */
  readonly source: 'server' | 'replica' | 'none';
}

export type TimerName =
  | 'lease-expiry'
  | 'silence'
  | 'renew'
  | 'fence'
  | 'candidate'
  | 'answers'
  | 'cold-start'
  | 'learn'
  | 'retire'
  | 'sit-out'
  | 'announce';

/** The steps of a promotion and of stepping down, in the order they are taken. */
export type Step =
  | 'stop_agent_unit'
  | 'install_datastore'
  | 'install_archive'
  | 'start_server'
  | 'check_ready'
  | 'stop_server'
  | 'send_last_revisions'
  | 'start_agent_unit';

export type Command =
  | { readonly name: 'move'; readonly to: NodeName | null }
  | { readonly name: 'promote'; readonly other_is_dead: true }
  | { readonly name: 'found' }
  | { readonly name: 'leave' };

export type AgentEvent =
  | { readonly kind: 'started'; readonly facts: StartFacts }
  | { readonly kind: 'message'; readonly from: NodeName; readonly message: LeaseMessage }
  | { readonly kind: 'timer'; readonly timer: TimerName }
  /** Own replica's position, or as master the datastore's head. Throttled by the shell. */
  | { readonly kind: 'datastore'; readonly facts: DatastoreFacts }
  /** As master: what a receiver has acknowledged. */
  | {
      readonly kind: 'acknowledged';
      readonly receiver: NodeName;
      readonly lineageEpoch: number;
      readonly revision: number;
    }
  | {
      readonly kind: 'step_done';
      readonly step: Step;
      readonly epoch: number;
      readonly ok: boolean;
      readonly detail: string;
      /** After `install_datastore`: what the server will start on. */
      readonly firstRevision?: number;
      /** After `send_last_revisions`: the revision that the successor has acknowledged. */
      readonly lastRevision?: number;
    }
  | { readonly kind: 'persist_failed'; readonly what: 'disk' | 'run'; readonly detail: string }
  /**
   * The server process ended although nobody asked it to. The epoch is the one held; 0 while
   * `started` could not be carried out.
   */
  | { readonly kind: 'server_exited'; readonly epoch: number; readonly detail: string }
  /** The wall clock again: a Pi often hears of a time server only after its agent has started. */
  | { readonly kind: 'wall'; readonly wall: StartFacts['wall'] }
  /** The scout's order, best first; decides only among equal positions. */
  | { readonly kind: 'ranking'; readonly order: readonly NodeName[] }
  | { readonly kind: 'command'; readonly id: string; readonly command: Command }
  /** The daemon is told to end: 'restart' leaves everything as it is (upgrade), 'shutdown' not. */
  | { readonly kind: 'stopping'; readonly why: 'restart' | 'shutdown' };

export type Effect =
  | { readonly kind: 'persist_disk'; readonly record: DiskRecord }
  | { readonly kind: 'persist_run'; readonly record: RunRecord }
  | { readonly kind: 'send'; readonly to: NodeName; readonly message: LeaseMessage }
  | { readonly kind: 'timer'; readonly timer: TimerName; readonly at: Instant }
  | { readonly kind: 'cancel_timer'; readonly timer: TimerName }
  /** Gate: lease file in /run and data-path gate, valid until `deadline` (self-fence). */
  | { readonly kind: 'open_gate'; readonly epoch: number; readonly deadline: Instant }
  | { readonly kind: 'close_gate' }
  /** Stop and mask the server at once, SIGKILL after a short grace. No answer is awaited. */
  | { readonly kind: 'fence'; readonly epoch: number; readonly reason: string }
  | ({ readonly kind: 'step'; readonly epoch: number } & StepOrder)
  /** Everybody else: whom to follow. Rewrites the hosts line, points the stream's receiver. */
  | {
      readonly kind: 'follow';
      readonly master: NodeName;
      readonly epoch: number;
      readonly apiHost: string;
      readonly apiPort: number;
      readonly serving: boolean;
    }
  /** Answers a command; the id `shutdown` tells that the node has left and may be switched off. */
  | {
      readonly kind: 'reply';
      readonly id: string;
      readonly ok: boolean;
      readonly text: string;
    };

export type StepOrder =
  | {
      readonly step: 'install_datastore';
      /** DESIGN section 4 "Raise on loss"; never for the clean first receiver (L13). */
      readonly raise: boolean;
      /** Whose address record is deleted from /registry/masterleases/; null when none. */
      readonly previousMaster: NodeName | null;
      /** Own server files of the last tenure, or the replica. */
      readonly from: 'server' | 'replica' | 'none';
    }
  | { readonly step: 'send_last_revisions'; readonly to: NodeName }
  | {
      readonly step: 'start_server';
      /**
       * Newest wall time the cluster has shown, ms since 1970: an earlier clock is stepped to it.
       */
      readonly notBeforeWall: number;
    }
  | { readonly step: Exclude<Step, 'install_datastore' | 'send_last_revisions' | 'start_server'> };

/** What people, topics, the CLI and the scout see of the core's state. */
export interface CoreView {
  readonly node: NodeName;
  readonly role: 'master' | 'receiver' | 'witness' | 'follower' | 'fenced';
  readonly phase:
    | 'silent'
    | 'learning'
    | 'waiting'
    | 'yielding'
    | 'asking'
    | 'promoting'
    | 'serving'
    | 'stepping_down'
    | 'following'
    | 'vacant'
    | 'sitting_out';
  readonly epoch: number;
  readonly master: NodeName | null;
  readonly list: MemberList | null;
  /** Self-fence deadline while holding. */
  readonly deadline: Instant | null;
  readonly ballot: Ballot | null;
  readonly step: Step | null;
  readonly positions: readonly Position[];
  /** The last decisions with their reasons, newest last, at most 64. */
  readonly reasons: readonly {
    readonly at: Instant;
    readonly epoch: number;
    readonly reason: string;
  }[];
}

export interface Decision<State> {
  readonly state: State;
  readonly effects: readonly Effect[];
  /** One sentence, empty when the event changed nothing worth telling. */
  readonly reason: string;
}
