/**
 * Everything below k3s's `server/db`, and the replica: one object per agent, in the order of use
 * that agent/stream/api.ts gives. Decides nothing; each call is one step that was ordered.
 *
 * A record on the disk (`server-life.json`) tells after a boot whether the server's files are
 * whole: `running` under another boot id means that a power cut may have taken commits back.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import type { DatastoreFacts } from '../../core/types.ts';
import type {
  Datastore,
  DatastoreOptions,
  InstallOrder,
  InstallResult,
  RetireResult,
  RevisionSource,
  StreamFinding,
  StreamPosition,
  WholeCopies,
} from '../../stream/api.ts';
import { isAhead, positionOf } from '../../stream/lineage.ts';
import { finishInstallation } from './adopt.ts';
import { readServerLife, type ServerLife, unservedFrom, writeServerLife } from './durable.ts';
import { type InstallPlaces, installDatastore } from './install.ts';
import { schemaProblem } from './kine-schema.ts';
import { LiveReader } from './live-reader.ts';
import {
  isClean,
  ownServerPosition,
  putOnDisk,
  startRefusal,
  unreadablePosition,
} from './own-server.ts';
import { quarantineServer } from './quarantine.ts';
import { ReplicaStore } from './replica.ts';
import { SavedReplica } from './replica-save.ts';
import { ensureRoom } from './room.ts';
import { datastoreError } from './sqlite-errors.ts';
import { wholeCopies } from './whole-copy.ts';

const ALL_PAGES = 1_000_000_000;
const NO_ROWS = Number.MAX_SAFE_INTEGER;
/** Of rows that cannot be read: goes less far than any replica, and further than nothing. */
const LEAST: StreamPosition = { lineageEpoch: 0, revision: 1 };
/** Of a `server/` that baton has no record of: as if a server had run on it until a power cut. */
const UNKNOWN_LIFE: ServerLife = {
  version: 1,
  state: 'running',
  boot_id: '',
  epoch: 0,
  served: true,
  clean: true,
  unserved_from: null,
  taken_over: false,
};

/** Errors: `datastore-failed`, `disk-full` when an interrupted installation cannot be finished. */
export const openDatastore = (options: DatastoreOptions): Datastore => new ServerDatastore(options);

class ServerDatastore implements Datastore {
  readonly replica: ReplicaStore;
  readonly wholeCopies: WholeCopies;
  readonly #options: DatastoreOptions;
  readonly #saved: SavedReplica;
  readonly #server: string;
  readonly #path: string;
  readonly #lifePath: string;
  readonly #quarantine: string;
  #source: LiveReader | null = null;
  #closed = false;
  #quarantined: StreamFinding | null = null;
  #unraised: StreamFinding | null = null;
  /** Position of the files of a stopped server; undefined when it must be read again. */
  #ownPosition: StreamPosition | null | undefined;

  constructor(options: DatastoreOptions) {
    const { k3sDataDirectory, replicaDirectory, stateDirectory } = options;
    this.#options = options;
    this.#server = `${k3sDataDirectory}/server`;
    this.#path = `${this.#server}/db/state.db`;
    this.#lifePath = `${stateDirectory}/server-life.json`;
    // Beside `server/`: a rename works within one file system only.
    this.#quarantine = `${k3sDataDirectory}/baton-quarantine`;
    this.#saved = new SavedReplica(stateDirectory);
    // RAM is empty after a boot; what is there after a restart of the agent is newer.
    const loaded = this.#saved.loadInto(`${replicaDirectory}/replica.db`);
    this.replica = new ReplicaStore(replicaDirectory, `${stateDirectory}/cut-off`);
    if (this.replica.position().revision === 0) this.#saved.missedIn(replicaDirectory);
    if (loaded) void this.checked().then((sound) => sound || this.#saved.setAside('damaged'));
    this.wholeCopies = wholeCopies(`${replicaDirectory}/whole-out.db`);
    finishInstallation(this.#places(), this.replica.position(), this.#life(), (epoch) =>
      this.#noteNew(epoch, true),
    );
  }

  #places(): InstallPlaces {
    return { server: this.#server, quarantine: this.#quarantine };
  }

  #life(): ServerLife | null {
    return readServerLife(this.#lifePath);
  }

  #setLife(change: Partial<Omit<ServerLife, 'version' | 'boot_id'>>): void {
    const now = { ...(this.#life() ?? UNKNOWN_LIFE), ...change };
    writeServerLife(this.#lifePath, { ...now, version: 1, boot_id: this.#options.bootId });
  }

  /** `server/` is about to be a tree from the replica: on the disk, and no server was up on it. */
  #noteNew(epoch: number, takenOver: boolean): void {
    const notes = { served: false, clean: true, unserved_from: epoch, taken_over: takenOver };
    this.#setLife({ state: 'installed', epoch, ...notes });
  }

  /** The own datastore is about to get an entry more; whether it is clean stays as it was. */
  #notePrepared(epoch: number): void {
    const life = this.#life() ?? UNKNOWN_LIFE;
    const clean = this.facts().clean;
    const state = this.#life() === null && clean ? 'stopped' : life.state;
    writeServerLife(this.#lifePath, {
      ...life,
      state,
      unserved_from: unservedFrom(life) ?? epoch,
    });
  }

  facts(): DatastoreFacts {
    const own = this.#own();
    if (own !== null && own.revision > 0) {
      const clean = isClean(this.#life(), own, this.#options.bootId);
      return { ...own, clean, source: 'server' };
    }
    const held = this.replica.position();
    if (held.revision > 0) return { ...held, clean: true, source: 'replica' };
    const lost = unreadablePosition(this.#path, this.#life());
    if (lost !== null) return { ...lost, clean: false, source: 'server' };
    if (this.#saved.isLacking()) return { ...LEAST, clean: true, source: 'replica' };
    return { ...held, clean: true, source: 'none' };
  }

  checked(): Promise<boolean> {
    return this.replica.checked();
  }

  #own(): StreamPosition | null {
    if (this.#source !== null) {
      const { head } = this.#source.readAfter(NO_ROWS, { maxRows: 1, maxBytes: 1 });
      if (head > 0) return positionOf(this.#source.lineage(), head);
    }
    this.#ownPosition ??= existsSync(this.#path)
      ? ownServerPosition(this.#path, unservedFrom(this.#life()))
      : null;
    return this.#ownPosition;
  }

  findings(): readonly StreamFinding[] {
    const own = [this.#quarantined, this.#unraised].filter((finding) => finding !== null);
    const saved = this.#saved.findings(this.replica.position().revision === 0);
    return [...this.replica.findings(), ...saved, ...own];
  }

  startSource(): RevisionSource {
    this.stopSource();
    this.#ownPosition = undefined;
    this.#setLife({ state: 'running', served: true, unserved_from: null, taken_over: false });
    this.#source = new LiveReader(`${this.#server}/db`);
    // The server is up on these rows, or newer ones: RAM need not hold them twice. The older copy
    // goes first, so that no boot finds it alone.
    this.#saved.remove();
    this.replica.clear();
    return this.#source;
  }

  stopSource(): void {
    this.#source?.close();
    this.#source = null;
    this.#ownPosition = undefined;
  }

  serverStarting(epoch: number): void {
    this.#ownPosition = undefined;
    this.#setLife({ state: 'running', epoch });
  }

  async install(order: InstallOrder): Promise<InstallResult> {
    this.stopSource();
    const before = this.#life();
    const refusal =
      order.from === 'replica' ? this.#lackingRows() : startRefusal(this.#path, before);
    if (refusal !== null) return { ok: false, detail: refusal };
    const own = order.from === 'server';
    const clean = !own || this.facts().clean;
    // Its server has never been up here: token and configuration are in the archive, which is
    // checked against the replica's rows.
    const needsArchive = order.from === 'replica' || (own && (before?.taken_over ?? false));
    const position = own && needsArchive ? this.#own() : null;
    if (position !== null) await this.#seed(position);
    const note = () =>
      own ? this.#notePrepared(order.epoch) : this.#noteNew(order.epoch, needsArchive);
    const result = await installDatastore(order, this.#places(), this.replica, note);
    this.#ownPosition = undefined;
    if (!result.ok) {
      this.#restoreLife(before);
      return result;
    }
    // Revision 0 is nobody's first: the file was left as it is.
    this.#unraised = order.raise && result.firstRevision === 0 ? unraisedFinding(order) : null;
    this.#setLife({ state: 'installed', epoch: order.epoch, served: false, clean });
    return { ...result, needsArchive };
  }

  /** Why nothing is installed from a replica that is on the disk only; null when it is not. */
  #lackingRows(): string | null {
    if (this.replica.position().revision > 0 || !this.#saved.isLacking()) return null;
    return (
      `the replica is on the disk only, as replica*.db in ${this.#options.stateDirectory}, and ` +
      'no empty cluster is begun in its place - start a node that holds the rows, or move these ' +
      'files away and restart baton-agent to begin an empty one'
    );
  }

  /** An installation that failed has changed nothing, so its note must not stay either. */
  #restoreLife(before: ServerLife | null): void {
    if (before === null) rmSync(this.#lifePath, { force: true });
    else writeServerLife(this.#lifePath, before);
  }

  async serverStopped(): Promise<void> {
    this.#ownPosition = undefined;
    putOnDisk(this.#path);
    this.#setLife({ state: 'stopped' });
  }

  async retireServer(): Promise<RetireResult> {
    this.stopSource();
    if (!existsSync(this.#path)) return { kind: 'nothing' };
    try {
      const position = ownServerPosition(this.#path, unservedFrom(this.#life()));
      const seeded = position !== null && (await this.#seed(position));
      const path = quarantineServer(this.#server, this.#quarantine);
      // Somebody may have asked for the position while the rows were being copied.
      this.#ownPosition = undefined;
      rmSync(this.#lifePath, { force: true });
      this.#quarantined = quarantineFinding(path, position);
      return { kind: 'quarantined', path, position, seeded };
    } catch (error) {
      return { kind: 'failed', detail: datastoreError(error, 'retire the old server').message };
    }
  }

  /** Continues from the old server's rows when they are newer than the replica's. */
  async #seed(position: StreamPosition): Promise<boolean> {
    if (!isAhead(position, this.replica.position())) return false;
    const source = new DatabaseSync(this.#path, { readOnly: true, timeout: 1000 });
    try {
      if (schemaProblem(source) !== null) return false;
      const taken = await this.replica.replaceBy(async (path) => {
        ensureRoom(this.#options.replicaDirectory, statSync(this.#path).size);
        await backup(source, path, { rate: ALL_PAGES });
      });
      // A promotion that never served leaves its filler behind: not part of any history.
      const { revision } = this.replica.cursor();
      if (taken && revision > position.revision) {
        this.replica.cutBack(position.revision, 'a promotion that never served');
      }
      return taken;
    } finally {
      source.close();
    }
  }

  saveReplica(_why: string): Promise<void> {
    return this.#saved.save(this.replica);
  }

  savedWaits(): boolean {
    return !this.#closed && this.replica.position().revision === 0 && this.#saved.waits();
  }

  async loadSaved(): Promise<boolean> {
    try {
      const taken = await this.replica.replaceBy((path) => this.#saved.loadAgain(path));
      if (!taken) this.#saved.setAside('damaged');
      return taken;
    } catch {
      // It waits on, or was set aside: both are among the findings.
      return false;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stopSource();
    this.replica.close();
  }
}

const unraisedFinding = ({ epoch }: InstallOrder): StreamFinding => ({
  code: 'schema-unknown',
  text:
    `The server of epoch ${epoch} was started without the raise, because baton does not know its ` +
    'datastore’s schema: numbers of lost revisions may be used again, and clients that saw those ' +
    'may keep stale objects. Restart the controllers and agents, and install a newer baton.',
});

/** Not an alarm: what became of this node's former tenure, for whoever looks for it. */
const quarantineFinding = (path: string, position: StreamPosition | null): StreamFinding => ({
  code: 'server-quarantined',
  text:
    `This node's former server/ was moved to ${path}. ` +
    (position === null
      ? 'Its datastore could not be read.'
      : `Its datastore ends at revision ${position.revision} of epoch ${position.lineageEpoch}.`),
  detail: { path, ...position },
});
