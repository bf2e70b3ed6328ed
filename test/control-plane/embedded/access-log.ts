/**
 * server/access.log: one JSON line per answered request, the same fields as the real stand-in's
 * (../real/accesslog.go). The line is written before the answer leaves the process, so that a
 * SIGKILL loses none; a watch gets one line with `"open":true` before its first bytes and one at
 * its end. It is what the check "never two servers at once" reads. A power cut may take the newest
 * lines. The file only grows.
 */
import { openSync, writeSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';

export interface AccessLine {
  /** Wall clock, microseconds since 1970. */
  readonly t_wall_us: number;
  readonly end_wall_us: number;
  readonly verb: string;
  readonly path: string;
  readonly code: number;
  readonly from: string;
  readonly agent: string;
  readonly open?: true;
}

const wallMicroseconds = (): number =>
  Math.round((performance.timeOrigin + performance.now()) * 1000);

/** One request on its way: `answered` and `opened` write its lines. */
export interface AccessRecord {
  opened(code: number): void;
  answered(code: number): void;
}

export type AccessLog = (request: IncomingMessage) => AccessRecord;

export const openAccessLog = (path: string): AccessLog => {
  const file = openSync(path, 'a', 0o600);
  return (request) => {
    const started = wallMicroseconds();
    const { remoteAddress, remotePort } = request.socket;
    const write = (code: number, open?: true): void => {
      const line: AccessLine = {
        t_wall_us: started,
        end_wall_us: wallMicroseconds(),
        verb: request.method ?? '',
        path: request.url ?? '',
        code,
        from: `${remoteAddress}:${remotePort}`,
        agent: request.headers['user-agent']?.split(' ')[0] ?? '',
        ...(open === true ? { open } : {}),
      };
      writeSync(file, `${JSON.stringify(line)}\n`);
    };
    return { opened: (code) => write(code, true), answered: (code) => write(code) };
  };
};
