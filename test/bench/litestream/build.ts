/**
 * Litestream, built from its Go module at the version that go.mod beside this file pins.
 *
 * The binary is kept in `${BATON_CACHE:-~/.cache/baton}/litestream-<hash>/litestream`; the hash
 * covers go.mod, go.sum and the build's settings. The first build takes about 5 minutes on 2
 * cores. Older builds are never removed: the cache is the user's to clear.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

const MODULE = 'github.com/benbjohnson/litestream/cmd/litestream';
const ARGUMENTS = ['build', '-mod=readonly', '-buildvcs=false', '-trimpath'];

export type Built =
  | { readonly ok: true; readonly path: string; readonly version: string }
  | { readonly ok: false; readonly reason: string };

/** Absolute path of a program on PATH, or null. */
const findProgram = (name: string): string | null => {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  const isThere = (path: string): boolean => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return candidates.find(isThere) ?? null;
};

/** `v0.5.9`, as go.mod has it. */
export const pinnedVersion = (goMod: string): string | null =>
  /^\s*(?:require\s+)?github\.com\/benbjohnson\/litestream\s+(v\S+)/m.exec(goMod)?.[1] ?? null;

/** Runs Go at low priority, its words on our stderr. Resolves to a reason on failure. */
const runGo = (go: string, args: readonly string[]): Promise<string | null> => {
  const nice = findProgram('nice');
  const [command, list] = nice === null ? [go, args] : [nice, ['-n', '10', go, ...args]];
  return new Promise((resolve) => {
    const child = spawn(command, list, {
      cwd: import.meta.dirname,
      env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '' },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.on('error', (error) => resolve(`go could not be started: ${error.message}`));
    child.on('exit', (code, signal) =>
      resolve(code === 0 ? null : `go build ended with ${signal ?? `status ${code}`}`),
    );
  });
};

/** Path of the program, built when it is not there yet; else why there is none. */
export const litestream = async (log: (line: string) => void): Promise<Built> => {
  const goMod = readFileSync(join(import.meta.dirname, 'go.mod'), 'utf8');
  const goSum = readFileSync(join(import.meta.dirname, 'go.sum'));
  const version = pinnedVersion(goMod) ?? 'unknown';
  const settings = JSON.stringify([ARGUMENTS, MODULE, process.platform, process.arch]);
  const hash = createHash('sha256').update(settings).update(goMod).update(goSum).digest('hex');
  const cache = process.env.BATON_CACHE || join(homedir(), '.cache/baton');
  const path = join(cache, `litestream-${hash.slice(0, 16)}`, 'litestream');
  if (existsSync(path)) return { ok: true, path, version };
  const go = findProgram('go');
  if (go === null) {
    return { ok: false, reason: 'Go is not on PATH, so Litestream cannot be built' };
  }
  mkdirSync(dirname(path), { recursive: true });
  // Built beside its place and renamed, so that two builders at once both end with a whole file.
  const partial = `${path}.${process.pid}.partial`;
  log(`building Litestream ${version} with ${go} (about 5 minutes the first time)`);
  const failure = await runGo(go, [...ARGUMENTS, '-o', partial, MODULE]);
  if (failure !== null) return { ok: false, reason: failure };
  renameSync(partial, path);
  return { ok: true, path, version };
};
