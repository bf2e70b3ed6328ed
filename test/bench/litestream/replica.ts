/**
 * Litestream as a process beside the master's server: replicates its datastore to a folder, with
 * Litestream's own defaults, and tells which revision was safe there when.
 *
 * A replica file is safe once it has its final name: Litestream syncs it before the rename. Its
 * change time (ctime) is the moment of that; the modification time is set back by Litestream.
 * Source: litestream v0.5.9, file/replica_client.go, WriteLTXFile.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { BatonError } from '../../../shared/errors/baton-error.ts';
import type { Milestone } from '../at-risk.ts';
import { readLtx } from './ltx.ts';

/** After SIGTERM it syncs once more; then it is killed. */
const STOP_LIMIT_MS = 5000;
const LTX_NAME = /^[0-9a-f]{16}-[0-9a-f]{16}\.ltx$/;

export interface LitestreamReplica {
  /** What has come into the replica so far, by file, oldest first. */
  milestones(): readonly Milestone[];
  stop(): Promise<void>;
}

export interface LitestreamOptions {
  readonly program: string;
  /** The live database file. */
  readonly database: string;
  /** Made here: configuration, log and replica. */
  readonly folder: string;
}

/** Milestones of every file of the first level below `replica`; `known` saves reading one twice. */
export function readReplica(replica: string, known: Map<string, Milestone | null>): Milestone[] {
  const level = join(replica, 'ltx', '0');
  let names: string[];
  try {
    names = readdirSync(level);
  } catch {
    return []; // Nothing has come in yet.
  }
  for (const name of names.filter((one) => LTX_NAME.test(one) && !known.has(one)).sort()) {
    const path = join(level, name);
    const { revision } = readLtx(readFileSync(path));
    known.set(name, revision === null ? null : { revision, atMs: statSync(path).ctimeMs });
  }
  return [...known.values()].filter((one) => one !== null);
}

const ended = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null;

/** Waits for the end, at most STOP_LIMIT_MS; then SIGKILL. */
const stop = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (ended(child)) {
      resolve();
      return;
    }
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    child.once('exit', () => {
      clearTimeout(limit);
      resolve();
    });
    child.kill('SIGTERM');
  });

/** Errors: `process-failed` from `milestones` when Litestream has ended by itself. */
export function startLitestream(options: LitestreamOptions): LitestreamReplica {
  const { program, database, folder } = options;
  const replica = join(folder, 'replica');
  const configuration = join(folder, 'litestream.yml');
  const logFile = join(folder, 'litestream.log');
  mkdirSync(replica, { recursive: true });
  const settings = { dbs: [{ path: database, replica: { type: 'file', path: replica } }] };
  writeFileSync(configuration, stringify(settings));
  const log = openSync(logFile, 'a');
  const child = spawn(program, ['replicate', '-config', configuration], {
    cwd: folder,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let failure: string | null = null;
  child.on('error', (error) => {
    failure = `did not start: ${error.message}`;
  });
  const known = new Map<string, Milestone | null>();
  return {
    milestones: () => {
      if (failure === null && ended(child)) failure = `ended with status ${child.exitCode}`;
      if (failure === null) return readReplica(replica, known);
      const words = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
      const message = `Litestream ${failure} - its last words:\n${words}`;
      throw new BatonError('process-failed', 'operational', message, { context: { program } });
    },
    stop: () => (failure === null ? stop(child) : Promise.resolve()),
  };
}
