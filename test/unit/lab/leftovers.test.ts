/** What killed runs of the machine lab leave, and how a lab that is told to end begins nothing. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runAside } from '../../lab/machines/host.ts';
import { removeFolder, staleRuns, thawCards } from '../../lab/machines/leftovers.ts';
import { runInside } from '../../lab/machines/namespaces.ts';
import { waitFor } from '../../lab/wait-for.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-leftovers-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a lab that was told to end begins nothing more', async () => {
  const stop = AbortSignal.abort('SIGTERM');
  await expect(runInside(join(folder, 'no-plan.json'), stop)).rejects.toBe('SIGTERM');
  await expect(runAside('true', [], 1000, stop)).rejects.toBe('SIGTERM');
});

test('a program that is waited for ends with the lab', async () => {
  const control = new AbortController();
  const sleeping = runAside('sleep', ['60'], 60_000, control.signal);
  control.abort('SIGTERM');
  await expect(sleeping).rejects.toThrow('sleep 60 failed');
});

test('stale are runs of a process that is gone, by group or folder, and no kept consoles', () => {
  const { pid: gone } = spawnSync('true');
  const names = [`baton-lab-${gone}-0a1b2c`, `baton-lab-${gone}-0a1b2c`, 'systemd-private-1-ab'];
  const others = [`baton-lab-${process.pid}-0a1b2c`, `baton-lab-failed-${gone}-0a1b2c`];
  expect(staleRuns([...names, ...others])).toEqual([`${gone}-0a1b2c`]);
});

test('a folder that was to be kept is kept', () => {
  writeFileSync(join(folder, 'keep'), '');
  removeFolder(folder);
  expect(existsSync(folder)).toBe(true);
  rmSync(join(folder, 'keep'));
  removeFolder(folder);
  expect(existsSync(folder)).toBe(false);
});

const succeeds = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;
const mayMount = succeeds('unshare', '-rm', 'mount', '-t', 'tmpfs', 'lab', '/mnt');

test.runIf(mayMount)('what is mounted in a folder is unmounted, and not removed with it', () => {
  const [precious, merged] = [join(folder, 'precious'), join(folder, 'run/merged')];
  for (const made of [precious, merged]) mkdirSync(made, { recursive: true });
  writeFileSync(join(precious, 'file'), '');
  const place = new URL('../../lab/machines/leftovers.ts', import.meta.url).href;
  const script = `import { execFileSync } from 'node:child_process';
    import { removeFolder } from '${place}';
    execFileSync('mount', ['--bind', '${precious}', '${merged}']);
    removeFolder('${join(folder, 'run')}');`;
  const node = [process.execPath, '--input-type=module-typescript', '--eval', script];
  execFileSync('unshare', ['-rm', ...node]);
  expect(existsSync(join(folder, 'run'))).toBe(false);
  expect(existsSync(join(precious, 'file'))).toBe(true);
});

const mayLoop = process.getuid?.() === 0 && succeeds('losetup', '--find');

test.runIf(mayLoop)('a card that stalled goes on although its lab is gone', async () => {
  const [image, place] = [join(folder, 'disk.img'), join(folder, 'disk')];
  mkdirSync(place);
  execFileSync('truncate', ['--size', '16M', image]);
  execFileSync('mkfs.ext4', ['-q', '-F', image]);
  const stall = 'mount -t ext4 -o loop "$1" "$2" && fsfreeze --freeze "$2"';
  execFileSync('unshare', ['--mount', 'sh', '-c', stall, 'sh', image, place]);
  const devices = () => execFileSync('losetup', ['--associated', image], { encoding: 'utf8' });
  try {
    expect(devices()).not.toBe('');
  } finally {
    thawCards(folder);
  }
  // The kernel gives the device back a moment later.
  await waitFor('the end of the device', 60_000, () => devices() === '');
});
