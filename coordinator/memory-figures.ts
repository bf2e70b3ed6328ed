/**
 * How much memory this process has, as Linux counts it (proc_pid_status(5)).
 *
 * RssAnon is what only this process uses and what cannot be dropped; the rest of VmRSS is file
 * pages of the Node binary, shared with the agent.
 */

const KIB_PER_MB = 1024;

/** From the text of /proc/self/status; null when it is not there or says neither. Whole MB. */
export const memoryFigures = (
  status: string | null,
): { readonly rss_mb: number; readonly anon_mb: number } | null => {
  const read = (key: string): number | null => {
    const match = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status ?? '');
    return match === null ? null : Math.round(Number(match[1]) / KIB_PER_MB);
  };
  const [rss, anonymous] = [read('VmRSS'), read('RssAnon')];
  return rss === null || anonymous === null ? null : { rss_mb: rss, anon_mb: anonymous };
};
