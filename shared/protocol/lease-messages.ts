/**
 * The messages by which voters grant the mastership lease, and the announcement that the other
 * nodes follow. Types only; shared/protocol/lease-codec.ts validates and authenticates them.
 *
 * Messages are idempotent and may be lost, repeated, delayed and reordered: each travels by every
 * path at once (direct links and each coordinator's broker). Only durations cross the wire, never
 * instants. Source: LEASE.md rules L1–L15.
 */

/** A node's name: lowercase letters, digits and dashes, 1 to 63 characters (RFC 1123 label). */
export type NodeName = string;

/** L1: (counter, node, start nonce), ordered in that order, never reused. */
export interface Ballot {
  readonly counter: number;
  readonly node: NodeName;
  /** Start nonce of the proposer: 16 hexadecimal characters, fresh at each start without /run. */
  readonly nonce: string;
}

/** L10: ordered by epoch, then number. */
export interface MemberList {
  readonly epoch: number;
  readonly number: number;
  readonly members: readonly NodeName[];
  /** The list before this one; empty when there was none. */
  readonly previous: readonly NodeName[];
  readonly committed: boolean;
}

/** L14: how far a node's replica (or the master's datastore) goes. */
export interface Position {
  readonly node: NodeName;
  /** Epoch under which the replica's last row was written; 0 with an empty datastore. */
  readonly lineage_epoch: number;
  /** kine `id` of the last row; 0 with an empty datastore. */
  readonly revision: number;
  /** Orders a node's own words about itself: a later start, then a later word, replaces. */
  readonly word: { readonly nonce: string; readonly sequence: number };
}

/** An unexpired lease that a voter has accepted, as told in a Promise. */
export interface AcceptedLease {
  readonly ballot: Ballot;
  readonly owner: NodeName;
  readonly epoch: number;
  readonly remaining_ms: number;
}

export interface Prepare {
  readonly kind: 'prepare';
  readonly ballot: Ballot;
  /** The candidate's own replica, so that voters know the better one (L14). */
  readonly position: Position;
  readonly list: MemberList;
}

export interface PromiseMessage {
  readonly kind: 'promise';
  readonly ballot: Ballot;
  /** Start nonce of the voter that promises (L3). */
  readonly nonce: string;
  readonly accepted: AcceptedLease | null;
  readonly highest_epoch: number;
  /** Owner of `highest_epoch`, null when none was ever granted. */
  readonly epoch_owner: NodeName | null;
  readonly list: MemberList;
  /** L14: of the newest tenure that this voter knows of since its start; 0 when of none. */
  readonly newest_tenure: number;
  readonly positions: readonly Position[];
  /** Newest wall-clock time the voter has seen, and whether its clock is synchronised. */
  readonly wall_ms: number;
  readonly wall_synchronised: boolean;
}

/**
 * A Prepare or Propose that was not granted; saves the proposer a timeout. Never needed for safety.
 */
export interface Refuse {
  readonly kind: 'refuse';
  readonly ballot: Ballot;
  readonly round: number | null;
  readonly promised_counter: number;
  readonly highest_epoch: number;
  readonly epoch_owner: NodeName | null;
  readonly list: MemberList | null;
  /** Milliseconds until the voter could answer otherwise (running lease, silence); 0 unknown. */
  readonly retry_after_ms: number;
  /** L14: a voter that is silent tells how far its replica goes; null when it may not be master. */
  readonly position: Position | null;
  readonly reason: string;
}

export interface Propose {
  readonly kind: 'propose';
  readonly ballot: Ballot;
  /** L5: never used before in this ballot. */
  readonly round: number;
  readonly owner: NodeName;
  readonly epoch: number;
  readonly duration_ms: number;
  /** L5: for each voter the nonce that was counted. */
  readonly nonces: Readonly<Record<NodeName, string>>;
  readonly list: MemberList;
  /** The master's head and what each receiver has acknowledged (L14). */
  readonly positions: readonly Position[];
  readonly wall_ms: number;
  readonly wall_synchronised: boolean;
}

export interface Accept {
  readonly kind: 'accept';
  readonly ballot: Ballot;
  /** Echoed (L6): answers of two rounds are never counted together. */
  readonly round: number;
  readonly nonce: string;
  readonly position: Position | null;
  readonly list: MemberList;
}

/** L8. The sender never serves again under `ballot`. */
export interface Release {
  readonly kind: 'release';
  readonly ballot: Ballot;
  readonly epoch: number;
  /** Whom the sender would like to see next, after a planned stop. */
  readonly successor: NodeName | null;
  /**
   * L13: the server was stopped in order, and this is its last revision, which `successor` has
   * acknowledged. Null: nothing is vouched for.
   */
  readonly last_revision: number | null;
}

/** L9: a wiped voter asks; only answers to this request count. */
export interface Learn {
  readonly kind: 'learn';
  readonly request: string;
}

export interface Learned {
  readonly kind: 'learned';
  readonly request: string;
  /** 'record': the fields below hold; 'fresh': this node has no record either (founding only). */
  readonly answer: 'record' | 'fresh';
  readonly highest_epoch: number;
  readonly epoch_owner: NodeName | null;
  readonly list: MemberList | null;
}

/** The master tells everybody (voter or not) whom to follow; the highest epoch wins. */
export interface Announce {
  readonly kind: 'announce';
  readonly epoch: number;
  readonly master: NodeName;
  /** 'serving': the API answers; 'starting': promotion under way; 'stopped': given back. */
  readonly stage: 'starting' | 'serving' | 'stopped';
  readonly api_host: string;
  readonly api_port: number;
  /** Lineage the server runs on (DESIGN section 4): first revision of this epoch. */
  readonly first_revision: number;
}

/** A node that joins, returns or leaves in order asks the holder to change the list (L10). */
export interface Membership {
  readonly kind: 'membership';
  readonly wish: 'join' | 'leave';
  readonly request: string;
}

export type LeaseMessage =
  | Prepare
  | PromiseMessage
  | Refuse
  | Propose
  | Accept
  | Release
  | Learn
  | Learned
  | Announce
  | Membership;

export type LeaseMessageKind = LeaseMessage['kind'];
