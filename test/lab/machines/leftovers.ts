/**
 * What a run leaves behind when it could not clean up itself: stalled cards, control groups, its
 * folder in /tmp and an overlay in there. Processes and all other mounts die with the lab.
 *
 * A folder with a file `keep` was asked for (`--keep`) and stays. Consoles of failed cases lie in
 * folders of another name.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { groupName, groupNames, removeGroups } from './control-group.ts';
import { tryRun } from './host.ts';

const KEEP = 'keep';

export const folderOf = (run: string, parent = tmpdir()): string => join(parent, groupName(run));

/** The folder of a run. `keep`: it stays, however the run ends. */
export const makeFolder = (run: string, keep: boolean): string => {
  const folder = folderOf(run);
  mkdirSync(folder);
  if (keep) writeFileSync(join(folder, KEEP), '');
  return folder;
};

/** Of these names, the runs whose process is gone, so that nobody else removes what they left. */
export const staleRuns = (names: readonly string[]): string[] => {
  const runs = names.flatMap((name) => {
    const [, run, pid] = /^baton-lab-((\d+)-[0-9a-f]+)$/.exec(name) ?? [];
    return run === undefined || existsSync(`/proc/${pid}`) ? [] : [run];
  });
  return [...new Set(runs)];
};

/** The file that a loop device shows; empty for other devices, and for those on their way out. */
const backingFile = (device: string): string => {
  try {
    return readFileSync(`/sys/block/${device}/loop/backing_file`, 'utf8');
  } catch {
    return '';
  }
};

/**
 * Lets every card of that folder go on. A stalled one (fsfreeze) outlives its mounts and its
 * machine, and whoever writes to it cannot even be killed. The kernel has one file system per
 * device: mounted once more it is the same one, and the mount goes with its namespace.
 */
export const thawCards = (folder: string): void => {
  const script = 'mount -t ext4 "$1" /mnt && fsfreeze --unfreeze /mnt';
  const alone = ['--mount', '--propagation', 'private', '--', 'sh', '-c', script, 'sh'];
  for (const name of readdirSync('/sys/block')) {
    if (backingFile(name).startsWith(`${folder}/`)) tryRun('unshare', [...alone, `/dev/${name}`]);
  }
};

/** Places where something is mounted below a folder, uppermost first. */
const mountsBelow = (folder: string): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((place) => place.startsWith(`${folder}/`))
    .reverse();

/** Unmounts below it first: what is mounted there is not to be removed with it. */
export const removeFolder = (folder: string): void => {
  for (const place of mountsBelow(folder)) tryRun('umount', [place]);
  if (existsSync(join(folder, KEEP)) || mountsBelow(folder).length > 0) return;
  rmSync(folder, { recursive: true, force: true });
};

/** Takes away what is left of a run that has ended, or whose process is gone. */
export const cleanRun = async (run: string): Promise<void> => {
  thawCards(folderOf(run));
  await removeGroups(run);
  removeFolder(folderOf(run));
};

/** The same for all killed runs. What does not end is told, and in nobody's way. */
export const cleanStale = async (): Promise<void> => {
  for (const run of staleRuns([...groupNames(), ...readdirSync(tmpdir())])) {
    await cleanRun(run).catch((error: Error) => console.error(`left of a run: ${error.message}`));
  }
};
