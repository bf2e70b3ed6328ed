/**
 * Reads the access logs that both stand-ins write (`server/access.log`, one JSON line per answer),
 * wherever they have got to: a former master's `server/` folder is moved to quarantine with its
 * log.
 *
 * A line that was torn by a SIGKILL is skipped and counted; it can only be the last one of a life.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer } from './overlap.ts';

/** Every access.log below `directory`, quarantined ones included. */
const findAccessLogs = (directory: string): string[] => {
  let names: string[];
  try {
    names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  } catch {
    return []; // A folder that was moved while it was read; it is found in its new place.
  }
  return names.filter((name) => name.endsWith('access.log')).map((name) => join(directory, name));
};

/** The answers in one log's text. `torn` counts lines that are no complete answer. */
export const parseAccessLog = (node: string, text: string): { answers: Answer[]; torn: number } => {
  const answers: Answer[] = [];
  let torn = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    try {
      const { end_wall_us } = JSON.parse(line) as { end_wall_us?: unknown };
      if (typeof end_wall_us !== 'number') torn += 1;
      else answers.push({ node, atUs: end_wall_us });
    } catch {
      torn += 1;
    }
  }
  return { answers, torn };
};

/**
 * Collects answers over the whole run: call `collect` before and after anything that may move or
 * remove a log. Lines are kept once, by their text.
 */
export class AccessLogCollector {
  readonly #lines = new Map<string, Set<string>>();

  collect(node: string, directory: string): void {
    const lines = this.#lines.get(node) ?? new Set();
    for (const path of findAccessLogs(directory)) {
      let text = '';
      try {
        text = readFileSync(path, 'utf8');
      } catch {
        continue; // Moved since it was found: the next call reads it in its new place.
      }
      for (const line of text.split('\n')) lines.add(line);
    }
    this.#lines.set(node, lines);
  }

  answers(): { answers: Answer[]; torn: number } {
    const parsed = [...this.#lines].map(([node, lines]) =>
      parseAccessLog(node, [...lines].join('\n')),
    );
    return {
      answers: parsed.flatMap((one) => one.answers),
      torn: parsed.reduce((sum, one) => sum + one.torn, 0),
    };
  }
}
