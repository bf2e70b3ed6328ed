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

/** Writes into a file that is there. Errors: those of the disk. */
export const writePiece = (path: string, offset: number, bytes: Uint8Array): void => {
  const file = openSync(path, 'r+');
  try {
    writeSync(file, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(file);
  }
};
