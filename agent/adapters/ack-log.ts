/**
 * One JSON line per acknowledgement, for the measurements from outside (BATON_ACK_LOG=FILE):
 * `{"revision","receiver","at_ms"}`, wall clock in milliseconds. Off unless the variable is set.
 */
import { appendFileSync } from 'node:fs';

export type AckLog = (receiver: string, revision: number) => void;

export function ackLog(path: string | undefined): AckLog {
  if (path === undefined || path === '') return () => {};
  return (receiver, revision) =>
    appendFileSync(path, `${JSON.stringify({ revision, receiver, at_ms: Date.now() })}\n`);
}
