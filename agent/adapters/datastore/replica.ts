/**
 * The receiver's replica in RAM, and the copy that replaces it when it cannot be resumed.
 *
 * A new copy is built beside the old one and swapped when it is complete, so that this node has
 * a usable replica at every moment. It does not promise to outlive the machine: replica-save.ts
 * writes it to disk at the few moments that DESIGN names.
 */
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { invariant } from '../../../shared/errors/baton-error.ts';
import type {
  CutOff,
  KineRow,
  Lineage,
  LiveRow,
  Replica,
  StreamFinding,
  StreamPosition,
} from '../../stream/api.ts';
import { effectiveMark, epochOf, lineageUpTo, positionOf } from '../../stream/lineage.ts';
import { saveCutOff } from './cut-off.ts';
import { type QuickCheck, quickCheck, SOUND } from './quick-check.ts';
import {
  applyRows,
  compactRows,
  compactStep,
  openReplicaFile,
  type ReplicaFile,
  removeAbove,
  storeLineage,
} from './replica-file.ts';
import { ensureRoom } from './room.ts';
import { damaged, datastoreError, isDamage } from './sqlite-errors.ts';
import { WholeFile } from './whole-copy.ts';

/** An SQLite file with what SQLite keeps beside it: they move and go together. */
const SIDE_FILES = ['-wal', '-shm', '-journal'];
/**
 * Replaces `to`, which nobody has open: at every moment one of the two is there whole. Its side
 * files go first, for SQLite would play an old `-wal` into the new file.
 */
export const moveDatabase = (from: string, to: string): void => {
  for (const suffix of SIDE_FILES) rmSync(to + suffix, { force: true });
  for (const suffix of ['', ...SIDE_FILES]) {
    if (existsSync(from + suffix)) renameSync(from + suffix, to + suffix);
  }
};
export const removeDatabase = (path: string): void => {
  for (const suffix of ['', ...SIDE_FILES]) rmSync(path + suffix, { force: true });
};

/** An empty replica in the process itself, to which nothing is written: there was no room. */
const NO_FILE = ':memory:';

export class ReplicaStore implements Replica {
  readonly #directory: string;
  readonly #cutOffDirectory: string;
  readonly #whole: WholeFile;
  readonly #findings: StreamFinding[] = [];
  #file: ReplicaFile;
  #copy: ReplicaFile | null = null;
  readonly #checking: Promise<boolean>;
  #check: QuickCheck | null = null;

  constructor(directory: string, cutOffDirectory: string) {
    this.#directory = directory;
    this.#cutOffDirectory = cutOffDirectory;
    this.#whole = new WholeFile(directory);
    removeDatabase(this.#path('next.db'));
    this.#file = this.#openOrNone();
    this.#checking = this.#lookThrough(this.#file);
  }

  /** Only what an earlier process left can be damaged without an error that was seen. */
  async #lookThrough(file: ReplicaFile): Promise<boolean> {
    if (file.cursor === 0) return this.#findings.length === 0;
    this.#check = quickCheck(file.path);
    const words = await this.#check.verdict;
    this.#check = null;
    if (words === SOUND) return true;
    file.damage = damaged(words);
    return false;
  }

  /** Whether the file that was found at the start is sound, once it has been looked through. */
  checked(): Promise<boolean> {
    return this.#checking;
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }

  /** Never without a file: a node that can hold no replica must vote all the same. */
  #openOrNone(): ReplicaFile {
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      return this.#openOrSetAside(this.#path('replica.db'));
    } catch (error) {
      const none = openReplicaFile(NO_FILE);
      none.damage = datastoreError(error, 'open the replica');
      return none;
    }
  }

  #openOrSetAside(path: string): ReplicaFile {
    try {
      return openReplicaFile(path);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#setAside(error instanceof Error ? error.message : String(error));
      return openReplicaFile(path);
    }
  }

  #setAside(why: string): void {
    const aside = this.#path('replica.damaged.db');
    moveDatabase(this.#path('replica.db'), aside);
    this.#findings.push({
      code: 'replica-damaged',
      text:
        `The replica was damaged (${why}). It is set aside as ${aside}; a new copy comes from ` +
        'the master, without which this node cannot take over.',
    });
  }

  /** Where `apply` and `compact` go. */
  #target(): ReplicaFile {
    return this.#copy ?? this.#file;
  }

  #guard<Result>(what: string, action: () => Result): Result {
    try {
      // Met by whoever uses it next, so that the stream begins anew as after any other damage.
      if (this.#file.damage !== null) throw this.#file.damage;
      return action();
    } catch (error) {
      throw datastoreError(error, what);
    }
  }

  position(): StreamPosition {
    const { cursor, damage, lineage } = this.#file;
    const whole = cursor === 0 ? this.#whole.record() : null;
    if (whole !== null) return positionOf(whole.lineage, whole.revision);
    return positionOf(lineage, damage === null ? cursor : 0);
  }

  lineage(): Lineage {
    return this.#file.lineage;
  }

  cursor(): { revision: number; digest: string | null } {
    return { revision: this.#file.cursor, digest: this.#file.digest };
  }

  mark(): number {
    return effectiveMark(this.#file.lineage, this.#file.rawMark);
  }

  apply(rows: readonly KineRow[]): void {
    const file = this.#target();
    const first = rows[0];
    if (first === undefined) return;
    invariant(first.id > file.cursor, 'rows below the replica’s cursor', {
      cursor: file.cursor,
      first: first.id,
    });
    this.#guard('apply rows to the replica', () => {
      ensureRoom(this.#directory, 0);
      applyRows(file, rows);
    });
  }

  compact(mark: number, markRow: number): void {
    const file = this.#target();
    // Before the cursor has reached the mark, rows that it wants removed are still to come. Of a
    // raised mark that far only the part counts up to which the master has removed anything.
    const reached = mark <= file.cursor ? mark : effectiveMark(file.lineage, mark);
    if (markRow === 0 || reached <= file.rawMark || reached > file.cursor) return;
    this.#guard('compact the replica', () => {
      compactRows(file, reached);
      this.#compactOn(file);
    });
  }

  /** A piece now, the next ones in turns of their own: votes and rows come in between. */
  #compactOn(file: ReplicaFile): void {
    if (!compactStep(file)) return;
    setImmediate(() => {
      if (file !== this.#target() || !file.database.isOpen) return;
      try {
        this.#compactOn(file);
      } catch (error) {
        if (isDamage(error)) file.damage = damaged(String(error));
        // Else the next mark tries again, and tells what keeps it from that.
        file.compactTo = file.compactedTo;
      }
    });
  }

  setLineage(lineage: Lineage): void {
    this.#guard('store the lineage', () => storeLineage(this.#target(), lineage));
  }

  #save(keep: number): CutOff | null {
    const { database, lineage, cursor } = this.#file;
    const epoch = epochOf(lineage, cursor);
    return saveCutOff(database, keep, epoch, this.#cutOffDirectory);
  }

  cutBack(keep: number, _why: string): CutOff | null {
    return this.#guard('cut the replica back', () => {
      const saved = this.#save(keep);
      removeAbove(this.#file, keep, lineageUpTo(this.#file.lineage, keep));
      return saved;
    });
  }

  beginCopy(lineage: Lineage, saveFrom: number | null, _why: string): CutOff | null {
    return this.#guard('begin a new copy', () => {
      // It stands beside the old one, and will hardly be smaller.
      const present = statSync(this.#path('replica.db'), { throwIfNoEntry: false });
      ensureRoom(this.#directory, present?.size ?? 0);
      const saved = saveFrom === null ? null : this.#save(saveFrom);
      this.abandonCopy();
      this.#copy = openReplicaFile(this.#path('next.db'));
      storeLineage(this.#copy, lineage);
      return saved;
    });
  }

  copyCursor(): number | null {
    return this.#copy?.cursor ?? null;
  }

  endCopy(): void {
    this.#guard('take the new copy into use', () => {
      const copy = this.#copy;
      invariant(copy !== null, 'no copy is under way');
      this.#copy = null;
      // Closing the last connection moves the WAL into the file, so one rename swaps it.
      copy.database.close();
      this.#file.database.close();
      moveDatabase(this.#path('next.db'), this.#path('replica.db'));
      this.#file = this.#openOrNone();
      this.#whole.remove();
    });
  }

  abandonCopy(): void {
    this.#copy?.database.close();
    this.#copy = null;
    removeDatabase(this.#path('next.db'));
  }

  recover(error: unknown): boolean {
    if (this.#file.path === NO_FILE) return this.#reopen();
    if (!isDamage(error)) return false;
    this.abandonCopy();
    this.#file.database.close();
    this.#setAside(error instanceof Error ? error.message : String(error));
    this.#file = this.#openOrNone();
    return true;
  }

  /** Where none could be opened: whether one can be now. */
  #reopen(): boolean {
    const file = this.#openOrNone();
    this.#file.database.close();
    this.#file = file;
    return file.path !== NO_FILE;
  }

  /** Drops everything: the server's own files are now the newer copy, synced to the disk. */
  clear(): void {
    this.abandonCopy();
    this.#file.database.close();
    removeDatabase(this.#path('replica.db'));
    this.#whole.remove();
    this.#file = this.#openOrNone();
  }

  /**
   * Replaces the replica by a file that `write` makes at the path it is given. False when that
   * file turns out to be damaged: the present replica stays.
   */
  async replaceBy(write: (path: string) => Promise<void>): Promise<boolean> {
    const seed = this.#path('seed.db');
    removeDatabase(seed);
    try {
      await write(seed);
      const words = await quickCheck(seed).verdict;
      if (words !== SOUND) throw damaged(words);
      openReplicaFile(seed).database.close();
    } catch (error) {
      removeDatabase(seed);
      if (isDamage(error)) return false;
      throw error;
    }
    this.abandonCopy();
    this.#file.database.close();
    moveDatabase(seed, this.#path('replica.db'));
    this.#whole.remove();
    this.#file = this.#openOrNone();
    return true;
  }

  /**
   * Writes the whole replica to a new file: `copy` is handed what to copy from. Waits for the
   * check and throws the damage that it found: no server may start on such a copy.
   */
  async copyInto(copy: (database: DatabaseSync) => Promise<unknown>): Promise<void> {
    await this.#checking;
    this.#guard('copy the replica', () => {});
    // The copy keeps the connection, and with it whoever would write, until its end.
    this.#file.compactTo = this.#file.compactedTo;
    const whole = this.whole();
    if (whole === null) {
      await copy(this.#file.database);
      return;
    }
    const database = new DatabaseSync(whole.path, { readOnly: true });
    try {
      await copy(database);
    } finally {
      database.close();
    }
  }

  liveSlice(revision: number, afterName: string, limit: number): readonly LiveRow[] {
    return this.#guard('read the replica', () =>
      this.#file.table.liveSlice(revision, afterName, limit),
    );
  }

  valueOf(name: string): Uint8Array | string | null {
    return this.#guard('read the replica', () => this.#file.table.live(name)?.value ?? null);
  }

  namesBelow(prefix: string): readonly string[] {
    return this.#guard('read the replica', () => this.#file.table.namesBelow(prefix));
  }

  beginWhole(): void {
    this.#guard('begin a whole copy', () => this.#whole.begin());
  }

  appendWhole(offset: number, bytes: Uint8Array): void {
    this.#guard('store a whole copy', () => {
      ensureRoom(this.#directory, bytes.length);
      this.#whole.append(offset, bytes);
    });
  }

  endWhole(revision: number, lineage: Lineage): void {
    this.#guard('take the whole copy into use', () => {
      this.#whole.end({ revision, lineage });
      // The rows are of an earlier schema and older than the whole copy.
      this.abandonCopy();
      this.#file.database.close();
      removeDatabase(this.#path('replica.db'));
      this.#file = this.#openOrNone();
    });
  }

  /** What a promotion or a save copies from. */
  open(): ReplicaFile {
    return this.#file;
  }

  /** Path and lineage of a whole copy in use, null normally. */
  whole(): { path: string; revision: number; lineage: Lineage } | null {
    const record = this.#file.cursor === 0 ? this.#whole.record() : null;
    return record === null ? null : { path: this.#whole.path, ...record };
  }

  findings(): readonly StreamFinding[] {
    const { path, damage } = this.#file;
    if (path !== NO_FILE || damage === null) return this.#findings;
    return [...this.#findings, noFileFinding(damage)];
  }

  close(): void {
    this.#check?.stop();
    this.#copy?.database.close();
    this.#file.database.close();
  }
}

const noFileFinding = ({ message }: Error): StreamFinding => ({
  code: 'replica-failed',
  text:
    `No replica can be held: ${message}. This node cannot take over; it votes as before. It is ` +
    'tried again while a master is followed. Make room there.',
});
