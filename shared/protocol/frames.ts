/**
 * Frames on a direct link: the types that exist, and their bounds.
 *
 * Wire form: u32 big-endian total length (of what follows), u16 big-endian header length, header
 * (UTF-8 JSON `{ "type": …, …header }`), body. A frame beyond its bound closes the connection.
 *
 * Types. On `lease` connections: `lease` (sealed lease message in the body), `report` (a node's
 * report for people, sealed). On `bulk` connections: the revision stream's own
 * (agent/stream/stream-frames.ts).
 */

/** Largest frame on a `lease` connection, bytes. */
export const LEASE_FRAME_LIMIT = 64 * 1024;
/** Largest frame on a `bulk` connection, bytes: a batch, or one archive chunk. */
export const BULK_FRAME_LIMIT = 4 * 1024 * 1024;
