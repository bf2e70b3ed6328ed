/**
 * Large files piece by piece, as they are sent and as they arrive; neither is ever whole in RAM.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * Up to `length` bytes from `offset` on; fewer at the end of the file. Errors: those of the disk.
 */
export const readPiece = async (
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array> => {
  const file = await open(path, 'r');
  try {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await file.read(bytes, 0, length, offset);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
};

/** Writes all of it into a file that is there. Errors: those of the disk. */
export const writePiece = (path: string, offset: number, bytes: Uint8Array): void => {
  const file = openSync(path, 'r+');
  try {
    // A disk that gets full takes a part without an error; only the next write has one.
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(file, bytes, done, bytes.length - done, offset + done);
    }
  } finally {
    closeSync(file);
  }
};
