/** What this machine must have for the machine lab, said in full before anything is touched. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Program → Debian package. */
const programs: Readonly<Record<string, string>> = {
  'systemd-nspawn': 'systemd-container',
  'systemd-sysusers': 'systemd',
  mmdebstrap: 'mmdebstrap',
  'mkfs.ext4': 'e2fsprogs',
  ip: 'iproute2',
  nft: 'nftables',
  unshare: 'util-linux',
  setpriv: 'util-linux',
};

/** Root's own folders, which a plain user's PATH may lack. */
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];

const isThere = (name: string): boolean =>
  folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** A kernel without bridges, overlays or loop devices (a small container) cannot hold machines. */
const kernelProblem = (): string | null => {
  const script = 'ip link add lab0 type bridge && mount -t tmpfs lab /mnt';
  const tried = spawnSync('unshare', ['--mount', '--net', 'sh', '-c', script], {
    encoding: 'utf8',
  });
  return tried.status === 0
    ? null
    : `this kernel or container allows no network of the lab's own: ${tried.stderr.trim()}`;
};

/** What is in the way, in order; empty when the lab can run. */
export const obstacles = (): string[] => {
  if (process.platform !== 'linux')
    return ['the machine lab boots Linux machines: run it on Linux'];
  if (process.getuid?.() !== 0) {
    return ['the machine lab boots machines, so it needs root: sudo npm run lab'];
  }
  const missing = Object.entries(programs).filter(([name]) => !isThere(name));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(([, name]) => name))].join(' ');
    const names = missing.map(([name]) => name).join(', ');
    return [`missing: ${names} - apt-get install ${packages}`];
  }
  const kernel = kernelProblem();
  return kernel === null ? [] : [kernel];
};
