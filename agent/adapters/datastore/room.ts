/**
 * How far the replica may fill its file system. /run is that of the whole machine: without room
 * there containerd starts no container, udev and systemd lose events, and no vote can be noted.
 * Does not promise room: others fill it as well.
 */
import { statfsSync } from 'node:fs';
import { BatonError } from '../../../shared/errors/baton-error.ts';

const MIB = 1024 ** 2;
/** Of the file system, left to others: about where journald stops as well. */
const LEFT_SHARE = 1 / 8;
/** What they need does not grow with the memory of the machine. */
const LEFT_MOST = 64 * MIB;

/** Errors: `disk-full` where `bytes` more would leave the others less than their share. */
export const ensureRoom = (directory: string, bytes: number): void => {
  const { bavail, blocks, bsize } = statfsSync(directory);
  // A tmpfs without a limit says that it has no blocks.
  if (blocks === 0) return;
  const left = Math.min(blocks * bsize * LEFT_SHARE, LEFT_MOST);
  const free = bavail * bsize;
  if (free - bytes >= left) return;
  const inMib = (count: number): string => `${(count / MIB).toFixed(1)} MiB`;
  throw new BatonError(
    'disk-full',
    'operational',
    // Told once: no figure that changes with each try.
    bytes === 0
      ? `${directory} has less than ${inMib(left)} left, which others than the replica need`
      : `${directory} would have less than ${inMib(left)} left for others than the replica`,
    { context: { path: directory } },
  );
};
