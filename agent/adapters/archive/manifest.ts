/**
 * The manifest of an archive: every file with its size, mode and sha256, in order of paths. The
 * archive's id is the sha256 of this text, so that it names the content and not what a
 * compressor made of it.
 *
 * Paths in an archive: `server/…` lies below k3s's data directory, `config/…` is its
 * configuration directory, `token` is the file of the setting `k3s.token_file`.
 */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { ARCHIVE_LIMIT } from '../../stream/limits.ts';

export interface ArchivedFile {
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
}

export const TOKEN_PATH = 'token';

/** Parts of `server/` that k3s makes itself from the datastore, or that are no configuration. */
const NOT_SERVER = new Set(['db', 'tls', 'cred', 'logs', 'etc', 'agent']);
/** Written by k3s at each start, with a certificate that this server made. */
const NOT_CONFIG = new Set(['k3s.yaml']);

/**
 * Whether a path may be in an archive, on both sides: what is not sent is not accepted either.
 * A name that ends in `.local` or `.local.yaml` is a node's own and never leaves it; `.log` files
 * grow for ever.
 */
export const mayTravel = (path: string): boolean => {
  if (path === TOKEN_PATH) return true;
  if (path.length > 200 || /[\0\\]/.test(path)) return false;
  const [area, first = '', ...rest] = path.split('/');
  const names = [first, ...rest];
  if (names.some((name) => name === '' || name === '.' || name === '..')) return false;
  const last = names.at(-1) ?? '';
  if (/(\.local(\.ya?ml)?|\.log|\.baton-new)$/.test(last)) return false;
  if (area === 'server') return !NOT_SERVER.has(first);
  return area === 'config' && !NOT_CONFIG.has(first);
};

const shape = v.strictObject({
  version: v.literal(1),
  files: v.pipe(
    v.array(
      v.strictObject({
        path: v.pipe(v.string(), v.check(mayTravel, 'a path that may not travel')),
        size: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(ARCHIVE_LIMIT)),
        mode: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(0o777)),
        sha256: v.pipe(v.string(), v.hexadecimal(), v.length(64)),
      }),
    ),
    v.maxLength(10_000),
  ),
});

export type Manifest = v.InferOutput<typeof shape>;

export const sha256 = (data: Uint8Array | string): string =>
  createHash('sha256').update(data).digest('hex');

/** Text of the manifest of these files; equal files give equal text. */
export const manifestOf = (files: readonly ArchivedFile[]): string => {
  const entries = files.map(({ path, mode, data }) => ({
    path,
    size: data.length,
    mode,
    sha256: sha256(data),
  }));
  entries.sort((one, other) => (one.path < other.path ? -1 : 1));
  return JSON.stringify({ version: 1, files: entries } satisfies Manifest);
};

/** Null for anything that is not a manifest; never throws. */
export const parseManifest = (text: string): Manifest | null => {
  try {
    const parsed = v.safeParse(shape, JSON.parse(text));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
};
