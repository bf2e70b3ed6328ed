/**
 * Reads Litestream's replica files (LTX): which revision each has brought.
 *
 * One file holds the changed pages of some transactions. Only what a measurement needs is read;
 * checksums are not verified.
 * Source: superfly/ltx v0.5.1, ltx.go and encoder.go (header 100 bytes, per page 6 bytes and one
 * LZ4 frame, then an empty page header, index and trailer).
 */
import { BatonError } from '../../../shared/errors/baton-error.ts';
import { highestRowid } from './leaf-pages.ts';
import { unpackFrame } from './lz4.ts';

const MAGIC = 'LTX1';
const HEADER_BYTES = 100;
const PAGE_HEADER_BYTES = 6;
const LARGEST_PAGE = 65_536;

export interface LtxFile {
  readonly firstTransaction: bigint;
  readonly lastTransaction: bigint;
  readonly pages: number;
  /** Highest revision on its pages; null when it changed no table with rowids. */
  readonly revision: number | null;
}

const broken = (what: string): BatonError =>
  new BatonError('frame-broken', 'operational', `no LTX file: ${what}`, { context: {} });

/** Errors: `frame-broken` for a file that is torn or of another kind. */
export function readLtx(bytes: Uint8Array): LtxFile {
  if (bytes.length < HEADER_BYTES) throw broken(`${bytes.length} bytes`);
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  if (magic !== MAGIC) throw broken(`it begins with ${JSON.stringify(magic)}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pageSize = view.getUint32(8);
  if (pageSize < 512 || pageSize > LARGEST_PAGE) throw broken(`pages of ${pageSize} bytes`);
  let revision: number | null = null;
  let pages = 0;
  for (let at = HEADER_BYTES; ; pages += 1) {
    if (at + PAGE_HEADER_BYTES > bytes.length) throw broken(`it ends after ${pages} pages`);
    const page = view.getUint32(at);
    if (page === 0) break;
    const { content, end } = unpackFrame(bytes, at + PAGE_HEADER_BYTES, pageSize);
    if (content.length !== pageSize) throw broken(`page ${page} has ${content.length} bytes`);
    // Page 1 is the schema; its tree begins behind the file's header.
    const rowid = page === 1 ? null : highestRowid(content);
    if (rowid !== null) revision = Math.max(revision ?? 0, rowid);
    at = end;
  }
  return {
    firstTransaction: view.getBigUint64(16),
    lastTransaction: view.getBigUint64(24),
    pages,
    revision,
  };
}
