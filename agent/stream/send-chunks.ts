/**
 * Archives and whole copies travel in chunks between the batches. One chunk waits at a time, so
 * that a revision never queues behind more than that.
 */
import type { Frame } from '../../shared/ports/network.ts';
import type { ArchiveInfo, ArchiveStore, WholeCopies } from './api.ts';
import type { Outbox } from './outbox.ts';
import { streamFrame } from './stream-frames.ts';

/** Bytes of one chunk: about 5 ms on a link of 100 Mbit/s. */
const CHUNK_BYTES = 64 * 1024;

interface Channel {
  readonly outbox: Outbox;
  readonly isOpen: boolean;
}

/** False when they could not all be sent (connection gone, or the file changed). */
const sendChunks = async (
  channel: Channel,
  bytes: number,
  read: (offset: number, length: number) => Promise<Uint8Array>,
  toFrame: (offset: number, chunk: Uint8Array) => Frame,
): Promise<boolean> => {
  for (let offset = 0; offset < bytes; offset += CHUNK_BYTES) {
    await channel.outbox.room();
    const chunk = await read(offset, Math.min(CHUNK_BYTES, bytes - offset));
    if (!channel.isOpen || chunk.length === 0) return false;
    channel.outbox.push(toFrame(offset, chunk));
  }
  return channel.isOpen;
};

/** False when it could not be sent to the end. */
export const sendArchive = (
  channel: Channel,
  archives: ArchiveStore,
  info: ArchiveInfo,
  epoch: number,
): Promise<boolean> => {
  const { id, bytes, sha256, manifest } = info;
  const body = new TextEncoder().encode(manifest);
  channel.outbox.push(streamFrame('archive', { epoch, id, bytes, sha256 }, body));
  return sendChunks(
    channel,
    bytes,
    (offset, length) => archives.chunk(id, offset, length),
    (offset, chunk) => streamFrame('archive-chunk', { id, offset }, chunk),
  );
};

/** As above, for the last whole copy that was made. */
export const sendWholeCopy = (
  channel: Channel,
  copies: WholeCopies,
  copy: { readonly sequence: number; readonly bytes: number; readonly revision: number },
  epoch: number,
): Promise<boolean> => {
  const { sequence, bytes, revision } = copy;
  channel.outbox.push(streamFrame('whole-copy', { epoch, sequence, revision, bytes }));
  return sendChunks(
    channel,
    bytes,
    (offset, length) => copies.chunk(offset, length),
    (offset, chunk) => streamFrame('whole-chunk', { sequence, offset }, chunk),
  );
};
