/** Bounds and intervals of the stream, with the reason for each default. */
import { milliseconds, minutes, seconds } from '../../shared/time/duration.ts';
import type { StreamLimits } from './api.ts';

export const DEFAULT_LIMITS: StreamLimits = {
  // A read transaction of this size lasts about 2 ms; one of 4 s stalled kine's checkpoint.
  maxRows: 500,
  maxBytes: 256 * 1024,
  // Four batches on the way keep a link of 100 Mbit/s busy; more would only grow the memory.
  windowBytes: 1024 * 1024,
  digestInterval: minutes(10),
  archiveInterval: seconds(30),
  wholeCopyInterval: seconds(30),
  redialDelay: milliseconds(500),
  dialTimeout: seconds(2),
  silenceLimit: seconds(6),
};

/** Largest part of a batch or archive in one frame, bytes; well below BULK_FRAME_LIMIT. */
export const PART_BYTES = 1024 * 1024;
/** Largest batch once its parts are joined: one row beside a full batch. */
export const BATCH_LIMIT = 64 * 1024 * 1024;
/** Largest archive, compressed and unpacked; a token and manifests are a few hundred KiB. */
export const ARCHIVE_LIMIT = 64 * 1024 * 1024;
/** Largest manifest, bytes; it travels as one frame body. */
export const MANIFEST_LIMIT = 2 * 1024 * 1024;
/** Largest whole copy of a datastore with an unknown schema, bytes. */
export const WHOLE_COPY_LIMIT = 2 * 1024 * 1024 * 1024;
/** Entries of a lineage table that travel; older ones can no longer be the common one. */
export const LINEAGE_LIMIT = 256;
