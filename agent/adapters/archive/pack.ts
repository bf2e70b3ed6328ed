/**
 * Packs files into tar and zstd, and takes such an archive apart again with every check that a
 * truncated, altered or forged one fails: sums of the compressed bytes and of each file, exactly
 * the files of the manifest, regular files only, a bound on what unpacks.
 */
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { packTar, unpackTar } from 'modern-tar';
import type { ArchiveInfo } from '../../stream/api.ts';
import { ARCHIVE_LIMIT } from '../../stream/limits.ts';
import { type ArchivedFile, manifestOf, parseManifest, sha256 } from './manifest.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Headers and padding of tar beside the files themselves. */
const TAR_OVERHEAD = 16 * 1024 * 1024;

export const packFiles = async (
  files: readonly ArchivedFile[],
): Promise<{ readonly info: ArchiveInfo; readonly bytes: Uint8Array }> => {
  const manifest = manifestOf(files);
  const tar = await packTar(
    files.map(({ path, mode, data }) => ({
      header: { name: path, size: data.length, mode, type: 'file', mtime: new Date(0) },
      body: data,
    })),
  );
  const bytes = await compress(tar);
  const info = { id: sha256(manifest), bytes: bytes.length, sha256: sha256(bytes), manifest };
  return { info, bytes };
};

export type Unpacked =
  | { readonly ok: true; readonly files: readonly ArchivedFile[] }
  | { readonly ok: false; readonly detail: string };

const refused = (detail: string): Unpacked => ({ ok: false, detail });

/** Never throws for what a peer may have sent. */
export const unpackFiles = async (info: ArchiveInfo, bytes: Uint8Array): Promise<Unpacked> => {
  if (sha256(info.manifest) !== info.id) return refused('its id is not that of its manifest');
  const manifest = parseManifest(info.manifest);
  if (manifest === null) return refused('its manifest is malformed or names a forbidden path');
  if (bytes.length !== info.bytes || sha256(bytes) !== info.sha256) {
    return refused('it is truncated or altered: the sum of its bytes does not match');
  }
  let entries: Awaited<ReturnType<typeof unpackTar>>;
  try {
    const tar = await decompress(bytes, { maxOutputLength: ARCHIVE_LIMIT + TAR_OVERHEAD });
    entries = await unpackTar(tar, { strict: true });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return refused(`it does not unpack: ${why}`);
  }
  const wanted = new Map(manifest.files.map((file) => [file.path, file]));
  const files: ArchivedFile[] = [];
  for (const { header, data = new Uint8Array(0) } of entries) {
    const file = wanted.get(header.name);
    const plain = (header.type ?? 'file') === 'file';
    if (file === undefined || !plain) return refused(`"${header.name}" is not in its manifest`);
    if (data.length !== file.size || sha256(data) !== file.sha256) {
      return refused(`"${header.name}" is not the file of its manifest`);
    }
    wanted.delete(header.name);
    files.push({ path: file.path, mode: file.mode, data });
  }
  const [missing] = wanted.keys();
  return missing === undefined ? { ok: true, files } : refused(`"${missing}" is missing`);
};
