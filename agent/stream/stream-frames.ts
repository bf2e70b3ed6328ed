/**
 * Frames of the revision stream on a `bulk` connection: their headers, validated on arrival.
 *
 * The receiver dials and greets (`hello`); the sender answers with its lineage table and a
 * verdict (`lineage`), then `batch` and `mark` flow one way and `ack` the other. A frame that
 * does not validate closes the connection: `parseStreamFrame` returns null for it, it never
 * throws. Sizes of bodies are bounded by BULK_FRAME_LIMIT at the transport and by
 * agent/stream/limits.ts where parts are joined.
 */
import * as v from 'valibot';
import type { Frame } from '../../shared/ports/network.ts';
import { ARCHIVE_LIMIT, LINEAGE_LIMIT, MANIFEST_LIMIT, WHOLE_COPY_LIMIT } from './limits.ts';

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const words = v.pipe(v.string(), v.maxLength(1000));
const hex = (digits: number) => v.pipe(v.string(), v.hexadecimal(), v.length(digits));

const lineage = v.pipe(
  v.array(
    v.strictObject({
      epoch: whole,
      first_revision: whole,
      last_taken_over: whole,
      mark_before: v.nullable(whole),
    }),
  ),
  v.maxLength(LINEAGE_LIMIT),
  v.check(
    (entries) =>
      entries.every((entry, at) => {
        const before = entries[at - 1];
        if (entry.last_taken_over >= entry.first_revision) return false;
        if (before === undefined) return true;
        return entry.first_revision > before.first_revision && entry.epoch >= before.epoch;
      }),
    'lineage entries must rise',
  ),
);

const headers = {
  /** Receiver → sender, first frame: how far its replica goes. `mark` is the effective one. */
  hello: v.strictObject({
    version: v.literal(1),
    epoch: whole,
    lineage,
    cursor: whole,
    digest: v.nullable(hex(32)),
    mark: whole,
    archive: v.nullable(hex(64)),
  }),
  /**
   * Sender → receiver: its table, and what follows. After `cut` the receiver removes its rows
   * above `keep` and greets again; after `copy` and `resume` batches follow.
   */
  lineage: v.strictObject({
    epoch: whole,
    head: whole,
    mark: whole,
    lineage,
    verdict: v.picklist(['resume', 'cut', 'copy', 'whole']),
    keep: whole,
    save_from: v.nullable(whole),
    why: words,
  }),
  /** Sender → receiver: a new copy begins at revision 0; rows above `save_from` are saved. */
  reset: v.strictObject({ epoch: whole, why: words, save_from: v.nullable(whole) }),
  /**
   * Rows, in the body. A batch too large for one frame comes in `parts`, joined by the receiver.
   * `complete` ends a copy: from here on the replica is usable.
   */
  batch: v.pipe(
    v.strictObject({
      epoch: whole,
      sequence: whole,
      part: whole,
      parts: v.pipe(whole, v.minValue(1), v.maxValue(256)),
      head: whole,
      mark: whole,
      mark_row: whole,
      complete: v.boolean(),
    }),
    v.check((batch) => batch.part < batch.parts, 'part must be below parts'),
  ),
  /** No new rows: the mark as it stands, and a sign of life. */
  mark: v.strictObject({
    epoch: whole,
    sequence: whole,
    head: whole,
    mark: whole,
    mark_row: whole,
  }),
  /** Receiver → sender: applied. `revision` is the usable position, `cursor` includes a copy. */
  ack: v.strictObject({
    sequence: whole,
    lineage_epoch: whole,
    revision: whole,
    cursor: whole,
  }),
  /** Sender → receiver: digest of the live state as of `revision`. */
  digest: v.strictObject({ epoch: whole, revision: whole, digest: hex(64), names: whole }),
  'digest-answer': v.strictObject({
    revision: whole,
    verdict: v.picklist(['equal', 'different', 'unknown']),
  }),
  /** Sender → receiver: an archive follows in chunks. Body: the manifest. */
  archive: v.strictObject({
    epoch: whole,
    id: hex(64),
    bytes: v.pipe(whole, v.maxValue(ARCHIVE_LIMIT)),
    sha256: hex(64),
  }),
  'archive-chunk': v.strictObject({ id: hex(64), offset: whole }),
  'archive-answer': v.strictObject({ id: hex(64), ok: v.boolean(), detail: words }),
  /** Unknown schema: a whole copy of the datastore follows in chunks. */
  'whole-copy': v.strictObject({
    epoch: whole,
    sequence: whole,
    revision: whole,
    bytes: v.pipe(whole, v.maxValue(WHOLE_COPY_LIMIT)),
  }),
  'whole-chunk': v.strictObject({ sequence: whole, offset: whole }),
  /** Either side: why this stream ends, and the epoch it knows. */
  refuse: v.strictObject({ epoch: whole, why: words }),
} as const;

export type StreamFrameType = keyof typeof headers;
export type StreamHeader<Type extends StreamFrameType> = v.InferOutput<(typeof headers)[Type]>;
export type StreamFrame = {
  [Type in StreamFrameType]: {
    readonly type: Type;
    readonly header: StreamHeader<Type>;
    readonly body: Uint8Array;
  };
}[StreamFrameType];

/** Types whose frames carry a body; a body elsewhere is a broken frame. */
const withBody: ReadonlySet<string> = new Set(['batch', 'archive', 'archive-chunk', 'whole-chunk']);

const isStreamType = (type: string): type is StreamFrameType => Object.hasOwn(headers, type);

/** The frame, validated; null when it is not one of ours. */
export const parseStreamFrame = (frame: Frame): StreamFrame | null => {
  if (!isStreamType(frame.type)) return null;
  if (frame.body.length > 0 && !withBody.has(frame.type)) return null;
  if (frame.type === 'archive' && frame.body.length > MANIFEST_LIMIT) return null;
  const result = v.safeParse(headers[frame.type], frame.header);
  if (!result.success) return null;
  return { type: frame.type, header: result.output, body: frame.body } as StreamFrame;
};

const nothing = new Uint8Array(0);

/** A frame ready to send; the type system keeps header and type together. */
export const streamFrame = <Type extends StreamFrameType>(
  type: Type,
  header: StreamHeader<Type>,
  body: Uint8Array = nothing,
): Frame => ({ type, header, body });
