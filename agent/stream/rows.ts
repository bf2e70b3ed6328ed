/**
 * Rows as bytes: the body of a `batch` frame. Purely positional, because a batch of 500 rows is
 * encoded 50 times a second on a Pi and JSON would triple its size.
 *
 * One row: six IEEE doubles, big-endian (id, created, deleted, create_revision, prev_revision,
 * lease; NaN is NULL, whole numbers are exact to 2^53), then name, value and old_value, each a
 * tag byte (0 NULL, 1 bytes, 2 UTF-8 text), and unless NULL a u32 length and the bytes. Decoding
 * checks every bound and gives null for anything else; it never throws.
 */
import type { KineRow } from './api.ts';

const NUMBERS_BYTES = 48;
const NULL = 0;
const BYTES = 1;
const TEXT = 2;

type Cell = Uint8Array | string | null;

const cellBytes = (cell: Cell): Buffer | Uint8Array | null =>
  typeof cell === 'string' ? Buffer.from(cell, 'utf8') : cell;

/** Bytes that the row takes in a batch, near enough for a budget (text counts as ASCII). */
export const rowBytes = (row: KineRow): number =>
  NUMBERS_BYTES +
  15 +
  (row.name?.length ?? 0) +
  (row.value?.length ?? 0) +
  (row.oldValue?.length ?? 0);

/** Encodes rows in their order. */
export const encodeRows = (rows: readonly KineRow[]): Uint8Array => {
  const prepared = rows.map((row) => ({
    row,
    cells: [row.name, row.value, row.oldValue].map((cell) => ({
      tag: cell === null ? NULL : typeof cell === 'string' ? TEXT : BYTES,
      bytes: cellBytes(cell),
    })),
  }));
  let size = 0;
  for (const { cells } of prepared) {
    size += NUMBERS_BYTES;
    for (const { bytes } of cells) size += bytes === null ? 1 : 5 + bytes.length;
  }
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { row, cells } of prepared) {
    for (const value of numbersOf(row)) at = out.writeDoubleBE(value ?? Number.NaN, at);
    for (const { tag, bytes } of cells) {
      at = out.writeUInt8(tag, at);
      if (bytes === null) continue;
      at = out.writeUInt32BE(bytes.length, at);
      out.set(bytes, at);
      at += bytes.length;
    }
  }
  return out;
};

const numbersOf = (row: KineRow): readonly (number | null)[] => [
  row.id,
  row.created,
  row.deleted,
  row.createRevision,
  row.prevRevision,
  row.lease,
];

/** Reads one row; `at` is moved behind it. Null when the bytes are not a row. */
const decodeRow = (data: Buffer, from: { at: number }): KineRow | null => {
  if (data.length - from.at < NUMBERS_BYTES) return null;
  const numbers: (number | null)[] = [];
  for (let index = 0; index < 6; index++) {
    const value = data.readDoubleBE(from.at);
    from.at += 8;
    if (!Number.isNaN(value) && !Number.isSafeInteger(value)) return null;
    numbers.push(Number.isNaN(value) ? null : value);
  }
  const cells: Cell[] = [];
  for (let index = 0; index < 3; index++) {
    const cell = decodeCell(data, from);
    if (cell === undefined) return null;
    cells.push(cell);
  }
  const [id = null, created = null, deleted = null] = numbers;
  const [createRevision = null, prevRevision = null, lease = null] = numbers.slice(3);
  const [name = null, value = null, oldValue = null] = cells;
  if (id === null || id <= 0 || (name !== null && typeof name !== 'string')) return null;
  return { id, name, created, deleted, createRevision, prevRevision, lease, value, oldValue };
};

const decodeCell = (data: Buffer, from: { at: number }): Cell | undefined => {
  if (data.length - from.at < 1) return undefined;
  const tag = data.readUInt8(from.at);
  from.at += 1;
  if (tag === NULL) return null;
  if ((tag !== BYTES && tag !== TEXT) || data.length - from.at < 4) return undefined;
  const length = data.readUInt32BE(from.at);
  from.at += 4;
  if (data.length - from.at < length) return undefined;
  const bytes = data.subarray(from.at, from.at + length);
  from.at += length;
  return tag === BYTES ? bytes : bytes.toString('utf8');
};

/** Rows of a batch; null unless they fill `bytes` exactly and their ids rise. */
export const decodeRows = (bytes: Uint8Array): KineRow[] | null => {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows: KineRow[] = [];
  const from = { at: 0 };
  let last = 0;
  while (from.at < data.length) {
    const row = decodeRow(data, from);
    if (row === null || row.id <= last) return null;
    last = row.id;
    rows.push(row);
  }
  return rows;
};
