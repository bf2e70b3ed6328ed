/** How long the steps of a promotion take; see steps.ts. Data only, so that plans can name them. */
import type { Step } from '../../agent/core/types.ts';

/** Usual duration of each step in ms; `start_server` ends by itself when the server is ready. */
export const durations: Readonly<Record<Step, readonly [number, number]>> = {
  stop_agent_unit: [20, 400],
  install_datastore: [20, 500],
  install_archive: [10, 100],
  start_server: [0, 0],
  check_ready: [5, 300],
  stop_server: [100, 2500],
  send_last_revisions: [5, 300],
  start_agent_unit: [20, 300],
};

export const stepNames = Object.keys(durations) as readonly Step[];
