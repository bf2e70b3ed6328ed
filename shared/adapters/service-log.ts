/**
 * A daemon's log: pino, written synchronously to standard output.
 *
 * Under journald (systemd sets JOURNAL_STREAM) a line is `<4>text {"from":"…"}`: the number is the
 * priority that journalctl filters and colours by, the text comes first for people. Elsewhere
 * (demo, tests, a terminal) each line is one JSON object with its time.
 *
 * Synchronous, so that the last words before an exit are never lost. A reader that is gone (EPIPE)
 * silences the log; it does not end the daemon.
 * Sources: sd-daemon(3), syslog(3) for the priorities.
 */
import { fstatSync } from 'node:fs';
import { type Logger, pino } from 'pino';

/** How important the lines are that are written; as in the settings' `log.level`. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export type ServiceLog = Pick<Logger, LogLevel>;

export interface ServiceLogOptions {
  /** `baton-agent` or `baton-coordinator`. */
  readonly name: string;
  readonly level: LogLevel;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** pino's level number → syslog priority. */
const priorities: readonly (readonly [level: number, priority: number])[] = [
  [60, 2],
  [50, 3],
  [40, 4],
  [30, 6],
  [0, 7],
];

const priorityOf = (level: number): number => priorities.find(([from]) => level >= from)?.[1] ?? 7;

/** One JSON line of pino as journald likes it. Exported for its test. */
export const journalLine = (json: string): string => {
  const {
    level,
    msg,
    time: _time,
    name: _name,
    ...context
  } = JSON.parse(json) as {
    level: number;
    msg?: string;
    time?: unknown;
    name?: unknown;
  };
  // A line break would begin a new journal entry without its priority.
  const text = (msg ?? '').replaceAll(/[\r\n]+[ \t]*/g, ' | ');
  const rest = Object.keys(context).length === 0 ? '' : ` ${JSON.stringify(context)}`;
  return `<${priorityOf(level)}>${text}${rest}\n`;
};

/** JOURNAL_STREAM is inherited also where output goes elsewhere; systemd.exec(5) says how. */
const goesToJournal = (stream: string | undefined): boolean => {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(1);
  return stream === `${dev}:${ino}`;
};

export const serviceLog = (options: ServiceLogOptions): ServiceLog => {
  const { name, level, environment } = options;
  const output = pino.destination({ fd: 1, sync: true });
  const destination = goesToJournal(environment.JOURNAL_STREAM)
    ? { write: (line: string) => void output.write(journalLine(line)) }
    : output;
  // No pid and no host name: journald knows both, and the demo has one file per daemon.
  return pino({ level, base: { name } }, destination);
};
