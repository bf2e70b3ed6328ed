/**
 * Memory and processor time of this process, for the report.
 *
 * RssAnon is what the process itself needs; the rest of its resident memory is the Node binary,
 * shared by both daemons and reclaimable. Source: proc_pid_status(5).
 */
import type { Files } from '../../shared/ports/files.ts';
import type { ProcessFigures } from '../report.ts';

const MEGABYTE = 1024 * 1024;
const tenths = (value: number): number => Math.round(value * 10) / 10;

/** `anon_mb` is 0 where there is no /proc (a Mac that runs the demo). */
export function readFigures(files: Files): ProcessFigures {
  const status = files.read('/proc/self/status') ?? '';
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
  const { user, system } = process.cpuUsage();
  return {
    rss_mb: tenths(process.memoryUsage.rss() / MEGABYTE),
    anon_mb: tenths(kilobytes('RssAnon') / 1024),
    cpu_s: Math.round((user + system) / 10_000) / 100,
  };
}
