#!/usr/bin/env node
/**
 * Builds the real stand-in for k3s (this folder) and prints the path of the binary on its last
 * line.
 *
 * The binary is kept in `${BATON_CACHE:-~/.cache/baton}/control-plane-<hash>/baton-k3s`; the hash
 * covers the sources, go.mod, go.sum and the build's settings, so an unchanged tree builds nothing.
 * Plain JavaScript without dependencies, because it also runs before `npm ci`.
 *
 * Exit status: 0 built or found, 2 no Go on PATH, 1 the build failed.
 * It never removes older builds: the cache directory is the user's to clear.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCES = dirname(fileURLToPath(import.meta.url));
const VERSION = 'k8s.io/component-base/version';
const TAGS = 'providerless sqlite_omit_load_extension';
const LINKER_FLAGS = [
  '-s -w',
  `-X ${VERSION}.gitVersion=v1.35.4+baton-real`,
  `-X ${VERSION}.gitMajor=1 -X ${VERSION}.gitMinor=35`,
].join(' ');
const ARGUMENTS = ['build', '-mod=readonly', '-buildvcs=false', '-trimpath', '-tags', TAGS];

const GO_MISSING =
  'Go is not on PATH, so the real control plane cannot be built: install Go 1.26 or newer, ' +
  'or use the embedded one (--k3s embedded).';

/** Absolute path of a program on PATH, or undefined. */
function findProgram(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not here; the next folder may have it.
    }
  }
  return undefined;
}

/** Where the binary of the present sources belongs. Reads sources, writes nothing. */
function expectedPath() {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([ARGUMENTS, LINKER_FLAGS, process.platform, process.arch]));
  const names = readdirSync(SOURCES).filter(
    (name) => /\.go$|^go\.(mod|sum)$/.test(name) && !name.endsWith('_test.go'),
  );
  for (const name of names.sort()) {
    hash.update(`\0${name}\0`).update(readFileSync(join(SOURCES, name)));
  }
  const cache = process.env.BATON_CACHE || join(homedir(), '.cache', 'baton');
  return join(cache, `control-plane-${hash.digest('hex').slice(0, 16)}`, 'baton-k3s');
}

/**
 * Path of the stand-in, built when it is not there yet (about 5 minutes the first time on 2 cores).
 * @param {{ log?: (line: string) => void, build?: boolean }} [options] `build: false` never builds.
 * @returns {Promise<{ ok: true, path: string } | { ok: false, code: 1 | 2, reason: string }>}
 */
export async function controlPlanePath({ log = () => {}, build = true } = {}) {
  const path = expectedPath();
  if (existsSync(path)) return { ok: true, path };
  const go = findProgram('go');
  if (go === undefined) return { ok: false, code: 2, reason: GO_MISSING };
  if (!build) return { ok: false, code: 1, reason: `not built yet: run "npm run control-plane"` };
  mkdirSync(dirname(path), { recursive: true });
  // Built beside its place and renamed, so that two builders at once both end with a whole file.
  const partial = `${path}.${process.pid}.partial`;
  log(`Building the real control plane with ${go} (about 5 minutes the first time) …`);
  const started = performance.now();
  const failure = await runGo(go, [...ARGUMENTS, '-ldflags', LINKER_FLAGS, '-o', partial, '.']);
  if (failure !== undefined) {
    rmSync(partial, { force: true });
    return { ok: false, code: 1, reason: failure };
  }
  renameSync(partial, path);
  log(`Built in ${((performance.now() - started) / 1000).toFixed(0)} s.`);
  return { ok: true, path };
}

/** Runs Go at low priority, its messages on our stderr. Resolves to a reason on failure. */
function runGo(go, args) {
  const nice = findProgram('nice');
  const [command, list] = nice === undefined ? [go, args] : [nice, ['-n', '10', go, ...args]];
  const environment = { ...process.env, CGO_ENABLED: '1', GOWORK: 'off' };
  return new Promise((resolve) => {
    const child = spawn(command, list, {
      cwd: SOURCES,
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.on('error', (error) => resolve(`go could not be started: ${error.message}`));
    child.on('exit', (code, signal) =>
      resolve(code === 0 ? undefined : `go build ended with ${signal ?? `status ${code}`}`),
    );
  });
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  const outcome = await controlPlanePath({ log: (line) => console.error(line) });
  if (outcome.ok) {
    console.log(outcome.path);
  } else {
    console.error(outcome.reason);
    process.exitCode = outcome.code;
  }
}
