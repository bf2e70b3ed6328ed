/**
 * What the machines run: baton's bundles with the shipped units, and a control plane in k3s's
 * place, all in one read-only layer above the Debian tree.
 */
import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { type ControlPlane, findControlPlane, ROOT } from '../programs.ts';
import { run, runAside, tryRun } from './host.ts';
import { configure, copyFiles } from './install.ts';

/** The embedded stand-in as one file: a machine has no checkout. */
const bundleStandIn = async (file: string): Promise<void> => {
  const bundle = await rolldown({
    input: join(ROOT, 'test/control-plane/embedded/k3s.ts'),
    platform: 'node',
    external: /^node:/,
  });
  await bundle.write({ file, format: 'esm', codeSplitting: false });
  await bundle.close();
};

const installControlPlane = async (layer: string, plane: ControlPlane): Promise<void> => {
  const command = join(layer, 'usr/local/bin/k3s');
  mkdirSync(join(layer, 'usr/local/bin'), { recursive: true });
  if (plane.name === 'embedded') {
    const file = 'usr/lib/baton-lab/k3s.mjs';
    await bundleStandIn(join(layer, file));
    writeFileSync(command, `#!/bin/sh\nexec /usr/lib/baton/node /${file} "$@"\n`);
  } else {
    cpSync(plane.command, command);
  }
  chmodSync(command, 0o755);
};

/** Units of this folder: k3s's own two, and what a machine needs because it is one of a lab. */
const installUnits = (layer: string): void => {
  const system = join(layer, 'usr/lib/systemd/system');
  cpSync(join(import.meta.dirname, 'units'), system, { recursive: true });
  const wants = join(layer, 'etc/systemd/system/sysinit.target.wants');
  mkdirSync(wants, { recursive: true });
  run('ln', ['-sf', '/usr/lib/systemd/system/lab-address.service', wants]);
  // Nobody logs in; the prompt would stand in the middle of the machine's words.
  run('ln', ['-sf', '/dev/null', join(layer, 'etc/systemd/system/console-getty.service')]);
  const journal = join(layer, 'etc/systemd/journald.conf.d');
  mkdirSync(journal, { recursive: true });
  writeFileSync(
    join(journal, 'lab.conf'),
    '[Journal]\nStorage=volatile\nForwardToConsole=yes\nMaxLevelConsole=info\nRateLimitBurst=0\n',
  );
};

export interface Build {
  /** Read-only trees of every machine, uppermost first. */
  readonly lower: readonly string[];
  readonly controlPlane: ControlPlane;
}

/** Makes the layer in `folder`; `base` is the Debian tree. */
export const buildLayer = async (
  folder: string,
  base: string,
  k3s: string,
  log: (line: string) => void,
): Promise<Build> => {
  const [layer, bundles] = [join(folder, 'layer'), join(folder, 'dist')];
  for (const made of [layer, bundles]) mkdirSync(made, { recursive: true });
  await runAside(process.execPath, [join(ROOT, 'test/build.mjs'), '--out', bundles]);
  const controlPlane = await findControlPlane(k3s, folder, log);
  copyFiles(layer, { node: process.execPath, bundles });
  installUnits(layer);
  await installControlPlane(layer, controlPlane);
  configureAbove(layer, base, join(folder, 'merged'));
  return { lower: [layer, base], controlPlane };
};

/** Users and presets need the whole tree: both layers as one, written into the upper. */
const configureAbove = (layer: string, base: string, merged: string): void => {
  const work = `${merged}.work`;
  for (const made of [merged, work]) mkdirSync(made, { recursive: true });
  const layers = `lowerdir=${base},upperdir=${layer},workdir=${work}`;
  run('mount', ['-t', 'overlay', 'overlay', '-o', layers, merged]);
  try {
    configure(merged);
  } finally {
    tryRun('umount', [merged]);
  }
  for (const name of readdirSync(work)) tryRun('rm', ['-rf', join(work, name)]);
};
