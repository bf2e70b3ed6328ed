/**
 * Looks through a whole database for torn or overwritten pages, in a process of its own: 200 MB
 * take half a second to 2.5 s, SQLite does it in one call, and an agent that gives no vote
 * meanwhile costs a master whose other voter is away its role.
 *
 * Not a thread: the agent could not end before SQLite's call does, and a process lets go of its
 * memory. Does not compare with anything: rows that are well-formed and wrong pass.
 * Source: https://www.sqlite.org/pragma.html#pragma_quick_check
 */
import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';

const SOURCE = `
const { DatabaseSync } = require('node:sqlite');
let verdict = '';
try {
  const database = new DatabaseSync(process.argv[1], { readOnly: true, timeout: 5000 });
  database.exec('PRAGMA cache_size = -512');
  verdict = database.prepare('PRAGMA quick_check(1)').get().quick_check;
} catch (error) {
  verdict = [11, 26].includes(error.errcode & 0xff) ? error.message : '';
}
process.stdout.write(String(verdict));
`;
/** The agent itself has a better priority than others; this can wait. */
const NICE = 5;
/** What it says when it finds nothing. */
export const SOUND = 'ok';

export interface QuickCheck {
  /**
   * `ok`, or what is wrong in SQLite's words. A check that could not be carried out (no memory
   * for a process, a busy file) says `ok` as well: nothing is known against the file.
   */
  readonly verdict: Promise<string>;
  /** Ends it at once; the verdict is `ok` then. */
  stop(): void;
}

/** Begins at once. `path` may be in use by SQLite in this process, also for writing. */
export const quickCheck = (path: string): QuickCheck => {
  const child = spawn(process.execPath, ['--no-warnings', '-e', SOURCE, path], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const verdict = new Promise<string>((resolve) => {
    let words = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(0, 1000);
    });
    child.on('error', () => resolve(SOUND));
    child.on('close', () => resolve(words === '' ? SOUND : words));
  });
  if (child.pid !== undefined) lower(child.pid);
  return { verdict, stop: () => child.kill('SIGKILL') };
};

const lower = (pid: number): void => {
  try {
    setPriority(pid, NICE);
  } catch {
    // It has ended, or may not be slowed down: it is right all the same.
  }
};
