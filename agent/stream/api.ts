/**
 * The revision stream as the shell sees it: what a master sends, what a receiver holds, and what a
 * promotion does with it (DESIGN section 4). Types only; nothing here opens a file or a socket.
 *
 * Built by: agent/adapters/datastore/datastore.ts `openDatastore(options): Datastore`,
 * agent/adapters/archive.ts `archiveStore(options): ArchiveStore`, agent/stream/sender.ts
 * `streamSender(options): StreamSender`, agent/stream/receiver.ts
 * `streamReceiver(options): StreamReceiver`.
 *
 * Order of use. Master: `datastore.install` → `archives.install` → start the server →
 * `datastore.startSource()` → `streamSender(…)`, one `attach` per bulk connection; at the end
 * `sender.flush` (planned), `sender.close`, `datastore.stopSource`, `datastore.serverStopped`.
 * Receiver: `datastore.retireServer` once the server is stopped and another node is followed →
 * `streamReceiver(…)`, `follow(target)`; before an own promotion `follow(null)`.
 */
import type { Clock } from '../../shared/ports/clock.ts';
import type { FrameConnection, LinkNetwork } from '../../shared/ports/network.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import type { Duration } from '../../shared/time/duration.ts';
import type { DatastoreFacts } from '../core/types.ts';

/** One row of kine's table, column for column. `null` is SQL NULL; text stays text. */
export interface KineRow {
  /** Kubernetes resourceVersion, rises with each commit. */
  readonly id: number;
  readonly name: string | null;
  readonly created: number | null;
  readonly deleted: number | null;
  readonly createRevision: number | null;
  readonly prevRevision: number | null;
  readonly lease: number | null;
  readonly value: Uint8Array | string | null;
  readonly oldValue: Uint8Array | string | null;
}

/**
 * One promotion. Rows with id >= `firstRevision` were written under `epoch` (until the next
 * entry); of what came before, rows up to `lastTakenOver` were taken over.
 */
export interface LineageEntry {
  readonly epoch: number;
  readonly firstRevision: number;
  readonly lastTakenOver: number;
  /**
   * Compaction mark before a raise set it to `firstRevision` - 1, null without a raise. Until
   * kine compacts again nothing above it has been removed.
   */
  readonly markBefore: number | null;
}

/** Ascending by `firstRevision`. */
export type Lineage = readonly LineageEntry[];

/** Where a replica ends: epoch under which its last row was written, and that row's id. */
export interface StreamPosition {
  readonly lineageEpoch: number;
  readonly revision: number;
}

/** Something a person must see; `code` is stable, `text` says what, what it means, what to do. */
export interface StreamFinding {
  readonly code:
    | 'lone-revisions'
    | 'replica-damaged'
    | 'replica-failed'
    | 'replica-differs'
    | 'schema-unknown'
    | 'archive-refused'
    | 'token-mismatch'
    | 'stream-refused'
    | 'source-failed'
    | 'server-quarantined'
    | 'lost-revisions';
  readonly text: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Rows read in one short read transaction, already closed. */
export interface RevisionBatch {
  readonly rows: readonly KineRow[];
  /** Highest id in the table at that moment. */
  readonly head: number;
  /** kine's compaction mark, and the mark up to which rows may really be gone. */
  readonly mark: number;
  readonly effectiveMark: number;
  /** Id of the row `compact_rev_key`, 0 when there is none. */
  readonly markRow: number;
}

/** The master's live datastore, read-only. Every read is one short transaction. */
export interface RevisionSource {
  readonly lineage: () => Lineage;
  /** Rows after `cursor`, at most `maxRows` and about `maxBytes` (at least one row if any). */
  readAfter(cursor: number, limit: { maxRows: number; maxBytes: number }): RevisionBatch;
  /** Digest of one row (agent/stream/digest.ts), null when there is none. */
  rowDigest(revision: number): string | null;
  /** Names above `afterName` with their newest row as of `revision`; see LiveDigest. */
  liveSlice(revision: number, afterName: string, limit: number): readonly LiveRow[];
  /** Called after each possible change; no timer in the normal path. Returns its removal. */
  onChange(handler: () => void): () => void;
  /** Null when rows can be streamed; otherwise why not (fall-back: whole copies). */
  schemaProblem(): string | null;
  /** Whole consistent copy for an unknown schema, to a new file; resolves with its size. */
  copyTo(path: string): Promise<{ bytes: number; revision: number }>;
}

/** One name's newest row as of a revision. */
export interface LiveRow {
  readonly name: string;
  readonly id: number;
  readonly deleted: boolean;
  readonly value: Uint8Array | string | null;
}

/** The receiver's copy in RAM. `copy` operations build a second file, swapped when complete. */
export interface Replica {
  position(): StreamPosition;
  lineage(): Lineage;
  /** Highest id received (its row may have been compacted away) and its row's digest. */
  cursor(): { revision: number; digest: string | null };
  /** The effective mark: up to it rows may really be gone here. */
  mark(): number;
  /** Applies rows in one transaction. Ids must rise and be above the cursor. */
  apply(rows: readonly KineRow[]): void;
  /** Applies kine's compaction rule and the mark; only legal once the cursor has reached it. */
  compact(mark: number, markRow: number): void;
  /** The master's table; rows that follow belong to it. */
  setLineage(lineage: Lineage): void;
  /** Saves the rows above `keep` to a file, then deletes them; null when there were none. */
  cutBack(keep: number, why: string): CutOff | null;
  /**
   * Starts a copy beside the present replica, which stays usable until `endCopy`; rows above
   * `saveFrom` are saved first. `apply` and `compact` go to the copy meanwhile.
   */
  beginCopy(lineage: Lineage, saveFrom: number | null, why: string): CutOff | null;
  /** Cursor of the copy under way, null when there is none. */
  copyCursor(): number | null;
  endCopy(): void;
  abandonCopy(): void;
  /** True when `error` means damage: the file is set aside and an empty replica begins. */
  recover(error: unknown): boolean;
  findings(): readonly StreamFinding[];
  liveSlice(revision: number, afterName: string, limit: number): readonly LiveRow[];
  /** Value of the newest row of a name, null when absent or deleted. */
  valueOf(name: string): Uint8Array | string | null;
  namesBelow(prefix: string): readonly string[];
  /** A whole copy of unknown schema comes in chunks; `endWhole` makes it the replica. */
  beginWhole(): void;
  appendWhole(offset: number, bytes: Uint8Array): void;
  endWhole(revision: number, lineage: Lineage): void;
}

/** Rows that only this node had, saved before they were removed. */
export interface CutOff {
  readonly file: string;
  readonly rows: number;
  readonly firstRevision: number;
  readonly lastRevision: number;
  /** At most 50: what was changed, and by which field manager when the object says so. */
  readonly objects: readonly {
    readonly name: string;
    readonly revision: number;
    readonly writers: readonly string[];
  }[];
}

export interface InstallOrder {
  readonly epoch: number;
  readonly raise: boolean;
  /**
   * Not null: records below /registry/masterleases/ are deleted. There is one server at a time,
   * so whatever stands there belongs to a former one.
   */
  readonly previousMaster: NodeName | null;
  readonly from: 'server' | 'replica' | 'none';
}

export type InstallResult =
  | {
      readonly ok: true;
      /** First id that belongs to this epoch: the filler after a raise, else last + 1. */
      readonly firstRevision: number;
      readonly lastTakenOver: number;
      readonly detail: string;
      /** Token and configuration are not this node's own: the archive brings them. */
      readonly needsArchive: boolean;
    }
  | { readonly ok: false; readonly detail: string };

export type RetireResult =
  | { readonly kind: 'nothing' }
  | {
      readonly kind: 'quarantined';
      readonly path: string;
      /** Where the old server's datastore ended; null when it could not be read. */
      readonly position: StreamPosition | null;
      /** True when the replica now goes on from the old server's rows. */
      readonly seeded: boolean;
    }
  | { readonly kind: 'failed'; readonly detail: string };

export interface DatastoreOptions {
  /** k3s's data directory; `server/db/state.db` lies below it. */
  readonly k3sDataDirectory: string;
  /** On a tmpfs. */
  readonly replicaDirectory: string;
  /** On the disk: saved replica, rows cut off, quarantined servers' list. */
  readonly stateDirectory: string;
  readonly bootId: string;
  /** Wall clock in names of quarantined directories only. */
  readonly clock: Clock;
}

/** Everything below k3s's `server/db`, and the replica. One instance per agent. */
export interface Datastore {
  readonly replica: Replica;
  /** Where whole copies of an unknown schema are made before they are sent. */
  readonly wholeCopies: WholeCopies;
  /** What this node could start a server on; re-read on each call. */
  facts(): DatastoreFacts;
  /**
   * Whether the replica found at the start is sound, once it has been looked through. A damaged
   * one counts as none from then on, and whoever writes to it is told.
   */
  checked(): Promise<boolean>;
  findings(): readonly StreamFinding[];
  /** Opens the live database; safe before the server has made it. */
  startSource(): RevisionSource;
  stopSource(): void;
  /** Writes what the server will start on. The server must be stopped; nothing else may run. */
  install(order: InstallOrder): Promise<InstallResult>;
  /** A server is about to write: from here on a power cut may take commits back. */
  serverStarting(epoch: number): void;
  /** After an orderly stop: commits are put on the disk, so that the next start is clean. */
  serverStopped(): Promise<void>;
  /** Moves an own `server/` of an earlier tenure to quarantine; its rows seed the replica. */
  retireServer(): Promise<RetireResult>;
  /** Whether the replica of the disk found no room in RAM, and nothing newer is there. */
  savedWaits(): boolean;
  /** Tries that once more; true when it is there now. Nothing may be received meanwhile. */
  loadSaved(): Promise<boolean>;
  /** Writes the replica to disk: change of master, hourly, on battery, shutdown, maintenance. */
  saveReplica(why: string): Promise<void>;
  close(): void;
}

/** What an archive is; `id` names its content, not its compressed bytes. */
export interface ArchiveInfo {
  readonly id: string;
  readonly bytes: number;
  /** sha256 of the compressed bytes, hexadecimal. */
  readonly sha256: string;
  /** JSON manifest: files with size, mode and sha256. */
  readonly manifest: string;
}

/** Token, manifests and configuration: what a server needs besides its datastore. */
export interface ArchiveStore {
  /** Builds anew when any file has changed since the last call; null when there is nothing. */
  current(): Promise<ArchiveInfo | null>;
  /** Bytes of the archive last built, from `offset`, at most `length`. */
  chunk(id: string, offset: number, length: number): Promise<Uint8Array>;
  /** Id of the archive held as a receiver, null when none. */
  heldId(): string | null;
  /** Starts to receive; a started one is dropped. */
  begin(info: ArchiveInfo): void;
  append(offset: number, bytes: Uint8Array): void;
  /** Verifies sums, paths and the token against the replica, then keeps it. */
  finish(replica: Replica): Promise<ArchiveVerdict>;
  /** Checks again and unpacks: before a promotion. The datastore is installed first. */
  install(replica: Replica): Promise<ArchiveVerdict>;
  /** Own files are good enough (from 'server' or 'none'): nothing is unpacked. */
  findings(): readonly StreamFinding[];
}

export type ArchiveVerdict =
  | { readonly ok: true; readonly detail: string }
  | { readonly ok: false; readonly detail: string };

/** What the master knows of one receiver. */
export interface ReceiverProgress {
  readonly node: NodeName;
  readonly connected: boolean;
  readonly phase: 'greeting' | 'copying' | 'streaming' | 'whole-copies';
  /** Last acknowledged; only rows of a usable replica count (a copy under way does not). */
  readonly position: StreamPosition;
  readonly lagRevisions: number;
  /**
   * Age of the oldest unacknowledged batch, or the last round trip when there is none. Until the
   * first usable position: since the link stands, or since its copy was begun anew.
   */
  readonly lagMilliseconds: number;
  /** Result of the last comparison of the live state. */
  readonly digest: 'equal' | 'different' | 'unknown';
}

/** Whole copies of a datastore whose schema is unknown, made at an interval. */
export interface WholeCopies {
  make(source: RevisionSource): Promise<{ bytes: number; revision: number }>;
  chunk(offset: number, length: number): Promise<Uint8Array>;
}

export interface StreamSenderOptions {
  readonly clock: Clock;
  readonly epoch: number;
  readonly source: RevisionSource;
  readonly archives: ArchiveStore | null;
  /** Only eligible nodes may hold the datastore: it has every secret of the cluster. */
  readonly mayReceive: (node: NodeName) => boolean;
  /** For files of the fall-back only (unknown schema): a path that may be overwritten. */
  readonly wholeCopies: WholeCopies | null;
  /** Each acknowledgement of a usable position, as it arrives. */
  readonly onAcknowledged?: (
    receiver: NodeName,
    position: StreamPosition,
    lagMilliseconds: number,
  ) => void;
  /** A receiver knows a higher epoch: this master is deposed. */
  readonly onHigherEpoch?: (epoch: number, from: NodeName) => void;
  readonly onFinding?: (finding: StreamFinding) => void;
  readonly limits?: Partial<StreamLimits>;
}

/** Bounds of the stream; defaults in agent/stream/limits.ts. */
export interface StreamLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  /** Unacknowledged bytes per receiver before the sender waits. */
  readonly windowBytes: number;
  readonly digestInterval: Duration;
  readonly archiveInterval: Duration;
  readonly wholeCopyInterval: Duration;
  readonly redialDelay: Duration;
  readonly dialTimeout: Duration;
  /** A receiver that hears nothing for this long dials again; the sender beats at a third. */
  readonly silenceLimit: Duration;
}

export type FlushResult =
  | { readonly ok: true; readonly revision: number }
  | { readonly ok: false; readonly detail: string };

export interface StreamSender {
  /** Takes a bulk connection whose peer dialled us; the sender owns it from here. */
  attach(connection: FrameConnection): void;
  receivers(): readonly ReceiverProgress[];
  /** Resolves once `to` has acknowledged the present head ("send_last_revisions"). */
  flush(to: NodeName, timeout: Duration): Promise<FlushResult>;
  close(reason: string): void;
}

export interface FollowTarget {
  readonly node: NodeName;
  readonly host: string;
  readonly port: number;
  /** Epoch of the announcement that is followed. */
  readonly epoch: number;
}

export interface StreamReceiverOptions {
  readonly clock: Clock;
  readonly network: LinkNetwork;
  readonly replica: Replica;
  readonly archives: ArchiveStore | null;
  /** Highest epoch this node knows of; a stream of a lower one is refused. */
  readonly highestEpoch: () => number;
  readonly onPosition?: (position: StreamPosition) => void;
  readonly onFinding?: (finding: StreamFinding) => void;
  readonly limits?: Partial<StreamLimits>;
}

export interface ReceiverState {
  readonly target: FollowTarget | null;
  readonly phase: 'idle' | 'dialling' | 'greeting' | 'copying' | 'streaming' | 'whole-copies';
  readonly position: StreamPosition;
  readonly lastProblem: string | null;
}

export interface StreamReceiver {
  /** Follows this master from now on, or nobody; the same target again changes nothing. */
  follow(target: FollowTarget | null): void;
  state(): ReceiverState;
  close(): void;
}
