/**
 * The Debian tree that all machines share, read-only: made once by mmdebstrap from the mirror that
 * this machine's apt is configured with, then kept in the cache (BATON_CACHE, else
 * ~/.cache/baton/machines). Takes a minute or two; another recipe makes another tree.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { labProblem, run, runAside } from './host.ts';

const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'dbus', 'iproute2', 'nftables', 'procps'],
  // For the case of wrong clocks; nothing else loads it.
  'libfaketime',
];
/** Papers: 60 MB that no machine of the lab reads. */
const LEFT_OUT = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/share/info/*',
];
/** A name, addresses and an identity are each machine's own. */
const NOT_SHARED = ['etc/hostname', 'etc/resolv.conf', 'etc/machine-id', 'etc/hosts'];

const cacheFolder = (): string =>
  process.env.BATON_CACHE || join(homedir(), '.cache/baton/machines');

/** `deb` lines of the suite's main archive, as apt itself reads them here. */
const sources = (): { suite: string; lines: string[] } => {
  const suite = /^VERSION_CODENAME=(.*)$/m.exec(run('cat', ['/etc/os-release']))?.[1] ?? '';
  const format = '$(REPO_URI)|$(SUITE)|$(CODENAME)|$(COMPONENT)';
  const targets = run('apt-get', ['indextargets', '--format', format, 'Identifier: Packages']);
  const own = [...new Set(targets.split('\n'))]
    .map((line) => line.split('|'))
    .filter(([, , name = '', part]) => name.split('-')[0] === suite && part === 'main');
  if (own.length === 0)
    throw labProblem(`apt here knows no packages of "${suite}": apt-get update`);
  return {
    suite,
    // mmdebstrap finds the keys of Debian's archive by itself.
    lines: own.map(([uri, , name, part]) => `deb ${uri} ${name} ${part}`),
  };
};

const build = async (
  tree: string,
  suite: string,
  lines: readonly string[],
  stop: AbortSignal,
): Promise<void> => {
  const fresh = `${tree}.${process.pid}.new`;
  const list = `${fresh}.list`;
  mkdirSync(cacheFolder(), { recursive: true });
  writeFileSync(list, `${lines.join('\n')}\n`);
  const options = LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`);
  const args = ['--variant=minbase', `--include=${PACKAGES.join(',')}`, ...options];
  try {
    const making = ['-n', '10', 'mmdebstrap', ...args, suite, fresh, list];
    await runAside('nice', making, 900_000, stop);
    for (const path of NOT_SHARED) rmSync(join(fresh, path), { force: true });
    if (!existsSync(tree)) renameSync(fresh, tree);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(list, { force: true });
  }
};

/** Path of the tree. Errors: `process-failed` with mmdebstrap's words, or when `stop` says so. */
export const baseTree = async (log: (line: string) => void, stop: AbortSignal): Promise<string> => {
  const { suite, lines } = sources();
  // Not the mirror's address: the same suite from another mirror is the same tree.
  const recipe = JSON.stringify([suite, PACKAGES, LEFT_OUT, NOT_SHARED]);
  const digest = createHash('sha256').update(recipe).digest('hex').slice(0, 12);
  const tree = join(cacheFolder(), `${suite}-${digest}`);
  if (existsSync(tree) && readdirSync(tree).includes('usr')) return tree;
  log(`making the Debian tree of the machines (${suite}; once, a minute or two)`);
  await build(tree, suite, lines, stop);
  return tree;
};
