/**
 * The core's state: what one node knows, split by what survives what (LEASE.md, "State").
 *
 *  - `disk`   survives a reboot; lost with the card. Written whenever it changes.
 *  - `run`    survives a restart of the process within one boot. JSON-safe: it is the
 *             `state` of the run record as it stands, so that emitting it costs one small object.
 *  - the rest is memory.
 *
 * Every object is replaced, never changed; unchanged parts are shared, and "must this be written?"
 * is answered by comparing references.
 */
import type {
  Ballot,
  MemberList,
  NodeName,
  Position,
} from '../../shared/protocol/lease-messages.ts';
import { type Instant, instant } from '../../shared/time/duration.ts';
import type { CoreConfig, CoreView, DatastoreFacts, DiskRecord, Step } from './types.ts';

/** The voter's half of a lease: this node promised not to help anybody else until `until`. */
export interface AcceptedSlot {
  readonly ballot: Ballot;
  readonly owner: NodeName;
  readonly epoch: number;
  /** By this node's boot clock, rounded up. */
  readonly until: Instant;
}

/** What a holder is doing with the role; kept in /run so that a restart goes on where it was. */
export type Stage = 'promoting' | 'serving' | 'restarting' | 'handing_over' | 'giving_back';

/** The holder's half of a lease. */
export interface Held {
  readonly ballot: Ballot;
  readonly epoch: number;
  /** Self-fence deadline of the last granted round, rounded down. */
  readonly deadline: Instant;
  /** L5: the voters counted under this ballot with their start nonces. */
  readonly nonces: Readonly<Record<NodeName, string>>;
  readonly stage: Stage;
  /** The step that was ordered and has not been reported yet. */
  readonly step: Step | null;
  /** L13: whether this tenure's server starts with the raise. */
  readonly raise: boolean;
  readonly previous_master: NodeName | null;
  readonly first_revision: number;
  /** Restarts of the server on the spot, and when the last one was. */
  readonly restarts: number;
  readonly last_exit: Instant;
  /** The planned move under way. */
  readonly handover: Handover | null;
}

export interface Handover {
  /** Null only while a shutdown has nobody to hand over to. */
  readonly to: NodeName | null;
  /** The command to answer; null for a shutdown. */
  readonly reply: string | null;
  readonly why: 'move' | 'shutdown';
}

/** L13: where the last tenure ended, by the word of who held it and named this node. */
export interface LastRevision {
  readonly epoch: number;
  readonly revision: number;
}

export interface RunState {
  /** L2: no answers before. */
  readonly silent_until: Instant;
  readonly promised: Ballot | null;
  readonly accepted: AcceptedSlot | null;
  /** L1: counter of the node's own last ballot. */
  readonly counter: number;
  /** L5: last round sent; one row for all ballots of this start, so none is ever used again. */
  readonly round: number;
  readonly held: Held | null;
  /** L14: end of the one cold-start wait of this vacancy; 0 when it is over or was not needed. */
  readonly cold_until: Instant;
  /** L14: end of the one yielding of this vacancy; 0 when it has not been used. */
  readonly yield_until: Instant;
  /** Lineage epoch of the replica that it yielded to. */
  readonly yield_epoch: number;
  /** `newestTenure` of then, and of each start: a later one has ended that vacancy. */
  readonly yield_known: number;
  readonly handed: LastRevision | null;
  readonly sit_out_until: Instant;
  /** How often its lease was lost in this boot, none long before the next; when it was last. */
  readonly lapses: number;
  readonly last_lapse: Instant;
  /** This node asked to leave the voters and does not ask to be taken back. */
  readonly left: boolean;
}

/** One Promise as far as a candidate needs it. */
export interface CountedPromise {
  readonly nonce: string;
  readonly highest_epoch: number;
  readonly epoch_owner: NodeName | null;
}

/** A candidacy under one ballot; memory only, for a new process takes a new ballot. */
export interface Attempt {
  readonly ballot: Ballot;
  /** The list it was begun under; another one in force ends it (L4, L10). */
  readonly list: MemberList;
  readonly startedAt: Instant;
  readonly phase: 'preparing' | 'proposing';
  readonly promises: Readonly<Record<NodeName, CountedPromise>>;
  readonly refusals: readonly NodeName[];
  /** Longest wait a refusing voter named. */
  readonly retryAfter: number;
  /** Highest epoch known before this ballot, with its owner (L5, L13). */
  readonly highest: number;
  readonly highestOwner: NodeName | null;
  /** 0 until proposing. */
  readonly epoch: number;
  /** Rounds proposed without success. */
  readonly tries: number;
}

/** Answers to the one round that counts (L6: never two together). */
export interface RoundTally {
  readonly ballot: Ballot;
  readonly number: number;
  readonly sentAt: Instant;
  /** The list and the start nonces it was sent with; an answer of another start counts nothing. */
  readonly list: MemberList;
  readonly nonces: Readonly<Record<NodeName, string>>;
  readonly accepts: readonly NodeName[];
  /** Those whose Accept showed the proposer's own list (L10). */
  readonly withList: readonly NodeName[];
  readonly granted: boolean;
}

/** Whom this node follows. */
export interface Leader {
  readonly master: NodeName;
  readonly epoch: number;
  readonly stage: 'starting' | 'serving' | 'stopped';
  readonly apiHost: string;
  readonly apiPort: number;
  readonly firstRevision: number;
  readonly heardAt: Instant;
}

/** `released`: the Release itself was heard, not only that the server has stopped. */
export interface Patience {
  readonly epoch: number;
  readonly until: Instant;
  readonly released: boolean;
}

/** L9: an open request to learn. */
export interface Learning {
  readonly request: string;
  readonly answers: Readonly<Record<NodeName, LearnedAnswer>>;
  /** Records told to earlier requests: they count for the operator's command only. */
  readonly earlier: Readonly<Record<NodeName, LearnedAnswer>>;
}

export interface LearnedAnswer {
  readonly answer: 'record' | 'fresh';
  readonly highest_epoch: number;
  readonly epoch_owner: NodeName | null;
  readonly list: DiskRecord['list'] | null;
}

export interface CoreState {
  readonly started: boolean;
  /** The server ended while `started` could not be carried out yet; its facts don't know. */
  readonly serverEnded: boolean;
  readonly bootId: string;
  readonly nonce: string;
  readonly disk: DiskRecord | null;
  readonly run: RunState;

  readonly datastore: DatastoreFacts;
  readonly attempt: Attempt | null;
  readonly round: RoundTally | null;
  readonly learning: Learning | null;
  /** L9, founding: voters that this process has known without a record (they asked, or said so). */
  readonly recordless: readonly NodeName[];
  readonly leader: Leader | null;
  /**
   * Highest epoch that somebody is known to have won: its master announced itself, was this node,
   * or a voter told of it. Not the highest epoch on a card, for a failed attempt leaves one, too.
   */
  readonly newestTenure: number;
  /** What is known of the other nodes' replicas (L14). */
  readonly positions: Readonly<Record<NodeName, Position>>;
  /**
   * Better positions that others tell of another start of a node: which start is the newer one
   * can't be told, so they replace nothing, but that node's own answer is worth a wait (L14).
   */
  readonly rumours: Readonly<Record<NodeName, Position>>;
  /** This node's replica as the last Propose showed it to everybody; for the order of asking. */
  readonly ownAsTold: Position | null;
  /** When each node was last heard, coarse. */
  readonly heard: Readonly<Record<NodeName, Instant>>;
  readonly scoutOrder: readonly NodeName[];
  /** After the end of `epoch` its named successor is left this time to ask first; once. */
  readonly patience: Patience;
  /** This node's replica as it won the lease, before a server added to it; memory only. */
  readonly wonWith: Position | null;
  /** As master: how far it was at the last granted round, and at the one before; memory only. */
  readonly lastHead: Position | null;
  readonly earlierHead: Position | null;
  /** Failed attempts in this vacancy, for the backoff. */
  readonly attempts: number;
  /** Highest ballot counter seen anywhere. */
  readonly seenCounter: number;
  /** As holder: when each voter last accepted a round, for `retireAfter` (memory only). */
  readonly lastAccept: Readonly<Record<NodeName, Instant>>;
  /** As holder: when it took each voter in, whose silence counts from then on (memory only). */
  readonly takenIn: Readonly<Record<NodeName, Instant>>;
  /** Since when this tenure counts silence; a new process starts counting anew. */
  readonly countingSince: Instant;
  /** When this voter last answered a holder's Propose; a voter that gets none asks to join. */
  readonly lastProposed: Instant;
  /** Voters that asked to be taken in or let go (L10), oldest first. */
  readonly joining: readonly NodeName[];
  readonly leaving: readonly NodeName[];
  /** L12: a forced promotion waits for the node's own lock. */
  readonly forced: boolean;
  /** The daemon was told to end. */
  readonly stopping: boolean;
  /** Until then a holder that is being switched off waits for a receiver that may not ask yet. */
  readonly receiverBy: Instant;
  /** Receivers that did not take the last revisions of the handover under way (memory only). */
  readonly passedOver: readonly NodeName[];
  /** The agent unit was ordered to run under this epoch; -1 when not in this life. */
  readonly agentUnitEpoch: number;
  /** Wall clock minus boot clock, and whether it is synchronised. */
  readonly wallOffset: number;
  readonly wallSynchronised: boolean;
  /** Newest synchronised wall time seen in any message. */
  readonly newestWall: number;
  readonly reasons: CoreView['reasons'];
}

const never = instant(0);

export const freshRun: RunState = {
  silent_until: never,
  promised: null,
  accepted: null,
  counter: 0,
  round: 0,
  held: null,
  cold_until: never,
  yield_until: never,
  yield_epoch: 0,
  yield_known: 0,
  handed: null,
  sit_out_until: never,
  lapses: 0,
  last_lapse: never,
  left: false,
};

const emptyDatastore: DatastoreFacts = {
  lineageEpoch: 0,
  revision: 0,
  clean: true,
  source: 'none',
};

/** The state before the event `started`; only that event and an end of the server change it. */
export function initialState(_config: CoreConfig): CoreState {
  return {
    started: false,
    serverEnded: false,
    bootId: '',
    nonce: '',
    disk: null,
    run: freshRun,
    datastore: emptyDatastore,
    attempt: null,
    round: null,
    learning: null,
    recordless: [],
    leader: null,
    newestTenure: 0,
    positions: {},
    rumours: {},
    ownAsTold: null,
    heard: {},
    scoutOrder: [],
    patience: { epoch: 0, until: never, released: false },
    wonWith: null,
    lastHead: null,
    earlierHead: null,
    attempts: 0,
    seenCounter: 0,
    lastAccept: {},
    takenIn: {},
    countingSince: never,
    lastProposed: never,
    joining: [],
    leaving: [],
    forced: false,
    stopping: false,
    receiverBy: never,
    passedOver: [],
    agentUnitEpoch: -1,
    wallOffset: 0,
    wallSynchronised: false,
    newestWall: 0,
    reasons: [],
  };
}
