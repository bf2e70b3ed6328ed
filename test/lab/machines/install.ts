/**
 * Puts baton into a machine's file tree: programs, scripts, units, drop-ins, presets, users.
 *
 * The places are those of the Debian package; the units name them. Nothing is started, and the tree
 * may belong to another system than the one that runs: only `systemctl --root` and
 * `systemd-sysusers --root` touch it.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** systemd/ of the checkout. */
export const SHIPPED = join(import.meta.dirname, '../../../systemd');
const PLACE = 'usr/lib/baton';

/** Folder or file below systemd/ → where it belongs in the tree. */
const places: readonly (readonly [match: RegExp, target: string])[] = [
  [/\.sh$/, PLACE],
  [/\.service(?:\.d)?$/, 'usr/lib/systemd/system'],
  [/^(?:system-preset|system\.conf\.d)$/, 'usr/lib/systemd'],
  [/^(?:sysusers|tmpfiles)\.d$/, 'usr/lib'],
];

/** Where an entry of systemd/ goes; null for what is not installed (its README). */
export const targetOf = (name: string): string | null =>
  places.find(([match]) => match.test(name))?.[1] ?? null;

export interface InstallPrograms {
  /** A Node binary. */
  readonly node: string;
  /** Folder with the bundles `baton*.mjs` of test/build.mjs. */
  readonly bundles: string;
}

/** Copies everything into the tree at `root`; files that are there are replaced. */
export function copyFiles(root: string, { node, bundles }: InstallPrograms): void {
  for (const name of readdirSync(SHIPPED)) {
    const target = targetOf(name);
    if (target === null) continue;
    mkdirSync(join(root, target), { recursive: true });
    cpSync(join(SHIPPED, name), join(root, target, name), { recursive: true });
  }
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  cpSync(node, join(root, PLACE, 'node'));
  for (const name of readdirSync(bundles).filter((one) => one.endsWith('.mjs'))) {
    cpSync(join(bundles, name), join(root, PLACE, name));
  }
  const command = join(root, 'usr/bin/baton');
  writeFileSync(command, `#!/bin/sh\nexec /${PLACE}/node /${PLACE}/baton.mjs "$@"\n`);
  chmodSync(command, 0o755);
}

/** What a package's postinst does: users, and each unit as the preset says. */
export function configure(root: string): void {
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, [`--root=${root}`, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  run('systemd-sysusers');
  const units = readdirSync(join(root, 'usr/lib/systemd/system'));
  run('systemctl', 'preset', ...units.filter((name) => /^(?:baton|k3s).*\.service$/.test(name)));
}
