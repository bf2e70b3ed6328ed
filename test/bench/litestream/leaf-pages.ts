/**
 * The highest rowid on a page of an SQLite database. kine's revision is the rowid of its table and
 * only grows, and every other table with rowids in that file is tiny, so the highest rowid among
 * the pages of a change is the newest revision in it.
 *
 * Pages without rowids (indexes, overflow, free ones) give null, as does one whose cells make no
 * sense: an overflow page may begin like a leaf.
 * Source: sqlite.org/fileformat2.html, sections 1.5 and 1.6.
 */

const TABLE_LEAF = 0x0d;
const HEADER_BYTES = 8;

/** SQLite's big-endian varint of 1 to 9 bytes; null beyond the end. Exact up to 2^53. */
export function readVarint(
  bytes: Uint8Array,
  start: number,
): { readonly value: number; readonly end: number } | null {
  let value = 0n;
  for (let index = 0; index < 9; index += 1) {
    const byte = bytes[start + index];
    if (byte === undefined) return null;
    value = index === 8 ? (value << 8n) | BigInt(byte) : (value << 7n) | BigInt(byte & 0x7f);
    if (index === 8 || byte < 0x80) return { value: Number(value), end: start + index + 1 };
  }
  return null;
}

/** Rowids of a table's leaf stand in ascending order, so that the last cell has the highest. */
export function highestRowid(page: Uint8Array): number | null {
  if (page[0] !== TABLE_LEAF) return null;
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  if (page.byteLength < HEADER_BYTES) return null;
  const cells = view.getUint16(3);
  const pointers = HEADER_BYTES + 2 * cells;
  if (cells === 0 || pointers > page.byteLength) return null;
  const cell = view.getUint16(pointers - 2);
  if (cell < pointers || cell >= page.byteLength) return null;
  const payload = readVarint(page, cell);
  const rowid = payload === null ? null : readVarint(page, payload.end);
  return rowid === null || !Number.isSafeInteger(rowid.value) ? null : rowid.value;
}
