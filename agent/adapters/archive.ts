/**
 * What a server needs besides its datastore (token, own manifests, static files, configuration),
 * as one archive: made on the master, kept by each receiver, unpacked before a promotion.
 *
 * `server/tls` and `server/cred` are not in it: k3s writes them from the datastore's bootstrap
 * row, which the token opens; whether it does is checked when the archive arrives and again
 * before a promotion. The token makes the archive secret: directories 0700, files 0600.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import * as v from 'valibot';
import { errnoOf, fromErrno } from '../../shared/adapters/errno.ts';
import { BatonError, isBatonError } from '../../shared/errors/baton-error.ts';
import type {
  ArchiveInfo,
  ArchiveStore,
  ArchiveVerdict,
  Replica,
  StreamFinding,
} from '../stream/api.ts';
import { ARCHIVE_LIMIT } from '../stream/limits.ts';
import { checkToken } from '../stream/token.ts';
import { type ArchivePlaces, findFiles, fingerprint, readFiles } from './archive/collect.ts';
import { type ArchivedFile, TOKEN_PATH } from './archive/manifest.ts';
import { packFiles, unpackFiles } from './archive/pack.ts';
import { putInPlace, replaceFile } from './archive/put-in-place.ts';
import { readPiece, writePiece } from './file-pieces.ts';

export interface ArchiveStoreOptions extends ArchivePlaces {
  /** On the disk: a node that boots without a master still holds the archive. */
  readonly stateDirectory: string;
}

export const archiveStore = (options: ArchiveStoreOptions): ArchiveStore => new Store(options);

const infoShape = v.object({
  id: v.string(),
  bytes: v.number(),
  sha256: v.string(),
  manifest: v.string(),
});

class Store implements ArchiveStore {
  readonly #places: ArchivePlaces;
  readonly #directory: string;
  readonly #findings = new Map<StreamFinding['code'], StreamFinding>();
  /** The archive made last, as master. */
  #made: { readonly fingerprint: string; readonly info: ArchiveInfo } | null = null;
  /** The one that is arriving. */
  #arriving: ArchiveInfo | null = null;
  #trouble: string | null = null;
  #held: ArchiveInfo | null;
  /** The card gave its bytes when they were wanted last. */
  #isReadable = true;

  constructor(options: ArchiveStoreOptions) {
    this.#places = options;
    this.#directory = `${options.stateDirectory}/archive`;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#held = this.#readHeld();
  }

  #path(name: 'out.tar.zst' | 'held.json' | 'incoming' | 'installed.json') {
    return `${this.#directory}/${name}`;
  }

  /** One file per content: held.json, replaced as a whole, says which one counts. */
  #heldPath(info: ArchiveInfo): string {
    return `${this.#directory}/held-${info.sha256}.tar.zst`;
  }

  /** All but the one that counts: of before, or of a switch that a power cut ended. */
  #removeOldHeld(info: ArchiveInfo): void {
    for (const name of readdirSync(this.#directory)) {
      const path = `${this.#directory}/${name}`;
      const isHeld = name.startsWith('held') && name.endsWith('.tar.zst');
      if (isHeld && path !== this.#heldPath(info)) rmSync(path, { force: true });
    }
  }

  #readHeld(): ArchiveInfo | null {
    if (!existsSync(this.#path('held.json'))) return null;
    try {
      const parsed = v.safeParse(
        infoShape,
        JSON.parse(readFileSync(this.#path('held.json'), 'utf8')),
      );
      // Without its bytes it is not held: the master sends it again.
      return parsed.success && existsSync(this.#heldPath(parsed.output)) ? parsed.output : null;
    } catch {
      // Torn by a power cut: the master sends it again.
      return null;
    }
  }

  current(): Promise<ArchiveInfo | null> {
    return mapped('make the archive', () => this.#current());
  }

  async #current(): Promise<ArchiveInfo | null> {
    const found = findFiles(this.#places);
    if (found.length === 0) return null;
    const now = fingerprint(found);
    if (this.#made?.fingerprint === now) return this.#made.info;
    const total = found.reduce((sum, { stats }) => sum + stats.size, 0);
    if (total > ARCHIVE_LIMIT) throw tooLarge(total);
    const { info, bytes } = await packFiles(readFiles(found));
    if (info.id !== this.#made?.info.id) replaceFile(this.#path('out.tar.zst'), bytes, 0o600);
    const kept = info.id === this.#made?.info.id ? this.#made.info : info;
    this.#made = { fingerprint: now, info: kept };
    return kept;
  }

  async chunk(id: string, offset: number, length: number): Promise<Uint8Array> {
    // A newer one has taken its place: the sender begins with that one.
    if (this.#made?.info.id !== id) return new Uint8Array(0);
    return mapped('read the archive', () => readPiece(this.#path('out.tar.zst'), offset, length));
  }

  heldId(): string | null {
    return this.#isReadable ? (this.#held?.id ?? null) : null;
  }

  begin(info: ArchiveInfo): void {
    this.#arriving = info;
    this.#trouble = null;
    this.#try(() => replaceFile(this.#path('incoming'), '', 0o600));
  }

  append(offset: number, bytes: Uint8Array): void {
    this.#try(() => writePiece(this.#path('incoming'), offset, bytes));
  }

  /** A full disk does not end the stream of revisions: the archive is refused at its end. */
  #try(action: () => void): void {
    if (this.#trouble !== null) return;
    try {
      action();
    } catch (error) {
      this.#trouble = mappedError(error, 'store the archive').message;
    }
  }

  async finish(replica: Replica): Promise<ArchiveVerdict> {
    const trouble = this.#trouble;
    if (trouble !== null) return this.#refuse('archive-refused', trouble);
    return told('keep the archive', () => this.#finish(replica));
  }

  async #finish(replica: Replica): Promise<ArchiveVerdict> {
    const info = this.#arriving;
    this.#arriving = null;
    if (info === null) return { ok: false, detail: 'no archive was arriving' };
    const bytes = readFileSync(this.#path('incoming'));
    const verdict = await this.#verify(info, bytes, replica);
    if (verdict.ok) {
      // The old pair counts until the new one is whole: one rename switches.
      replaceFile(this.#heldPath(info), bytes, 0o600);
      replaceFile(this.#path('held.json'), JSON.stringify(info), 0o600);
      this.#held = info;
      this.#isReadable = true;
      this.#removeOldHeld(info);
    }
    rmSync(this.#path('incoming'), { force: true });
    if (!verdict.ok) return verdict;
    return { ok: true, detail: `${verdict.files.length} files` };
  }

  async #verify(
    info: ArchiveInfo,
    bytes: Uint8Array,
    replica: Replica,
  ): Promise<{ ok: true; files: readonly ArchivedFile[] } | { ok: false; detail: string }> {
    const unpacked = await unpackFiles(info, bytes);
    if (!unpacked.ok) return this.#refuse('archive-refused', `The archive: ${unpacked.detail}`);
    const token = checkToken(this.#tokenOf(unpacked.files), replica);
    if (!token.ok) return this.#refuse('token-mismatch', `The token: ${token.detail}`);
    this.#findings.clear();
    return unpacked;
  }

  #refuse(code: StreamFinding['code'], detail: string): { ok: false; detail: string } {
    const text = `${detail}. This node cannot take over with it.`;
    this.#findings.set(code, { code, text });
    return { ok: false, detail };
  }

  /** The token that a server started here would use: the setting's file, else k3s's own. */
  #tokenOf(files: readonly ArchivedFile[]): string | null {
    const { tokenFile, k3sConfigDirectory } = this.#places;
    const inside = tokenFile.startsWith(`${k3sConfigDirectory}/`);
    const configured = inside ? `config/${tokenFile.slice(k3sConfigDirectory.length + 1)}` : '';
    for (const path of [TOKEN_PATH, configured, 'server/token']) {
      const file = files.find((candidate) => candidate.path === path);
      if (file !== undefined) return Buffer.from(file.data).toString('utf8');
    }
    return null;
  }

  install(replica: Replica): Promise<ArchiveVerdict> {
    return told('put the archive in place', () => this.#install(replica));
  }

  async #install(replica: Replica): Promise<ArchiveVerdict> {
    const info = this.#held;
    if (info === null) return this.#withoutArchive(replica);
    const path = this.#heldPath(info);
    if (!existsSync(path)) {
      return this.#forget(this.#refuse('archive-refused', `The archive: ${path} is gone`));
    }
    // Until it has been read: the master sends it again, a further try may find it readable.
    this.#isReadable = false;
    const bytes = readFileSync(path);
    this.#isReadable = true;
    const verdict = await this.#verify(info, bytes, replica);
    if (!verdict.ok) return this.#forget(verdict);
    putInPlace(verdict.files, this.#places, this.#path('installed.json'));
    return { ok: true, detail: `${verdict.files.length} files put in place` };
  }

  /** Damaged or gone on the disk: no longer counts as held, so that a master sends it again. */
  #forget(verdict: { ok: false; detail: string }): ArchiveVerdict {
    if (this.#findings.has('archive-refused')) {
      this.#held = null;
      rmSync(this.#path('held.json'), { force: true });
    }
    return verdict;
  }

  /** A token that a person put on this node may be all that is needed. */
  #withoutArchive(replica: Replica): ArchiveVerdict {
    const own = readFiles(findFiles(this.#places));
    const token = checkToken(this.#tokenOf(own), replica);
    if (token.ok) return this.#useOwn();
    return this.#refuse('token-mismatch', `No archive is held, and ${token.detail}`);
  }

  #useOwn(): ArchiveVerdict {
    if (this.#findings.has('archive-refused')) {
      const text =
        'The archive was lost: the server was started with the configuration and manifests that ' +
        'this node had. Compare them with those of the last master.';
      this.#findings.set('archive-refused', { code: 'archive-refused', text });
    }
    return { ok: true, detail: 'no archive is held, own files are used' };
  }

  findings(): readonly StreamFinding[] {
    return [...this.#findings.values()];
  }
}

const tooLarge = (bytes: number): BatonError =>
  new BatonError(
    'resources-exhausted',
    'operational',
    `the files for the archive have ${bytes} bytes, more than ${ARCHIVE_LIMIT}: move large files ` +
      'out of server/static and server/manifests',
  );

/** The kernel's refusals as ours; our own bugs stay what they are. */
const mappedError = (error: unknown, attempt: string): BatonError => {
  if (isBatonError(error)) return error;
  if (errnoOf(error) === null) throw error;
  return fromErrno(error, attempt, '');
};

const mapped = async <Result>(attempt: string, action: () => Promise<Result>): Promise<Result> => {
  try {
    return await action();
  } catch (error) {
    throw mappedError(error, attempt);
  }
};

/** The same for steps, whose failures are answers. */
const told = async (
  attempt: string,
  action: () => Promise<ArchiveVerdict>,
): Promise<ArchiveVerdict> => {
  try {
    return await action();
  } catch (error) {
    return { ok: false, detail: mappedError(error, attempt).message };
  }
};
