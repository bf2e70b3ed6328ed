/**
 * A cluster's network: one bridge in a network namespace of its own. The observer sits on it;
 * nothing leads out. Addresses are of the range for examples (RFC 5737).
 *
 * A split moves some cables to a second bridge. The observer sits on that one too, with the same
 * hardware address, so that it reaches both halves while they do not reach each other.
 */
import { run, tryRun } from './host.ts';

const BRIDGE = 'lab0';
const OTHER_HALF = 'lab1';
const SUBNET = '192.0.2';
const OBSERVER = `${SUBNET}.1`;
/** Locally administered; given, because a bridge otherwise takes that of a cable. */
const OBSERVER_HARDWARE = '02:00:00:00:00:01';

export const addressOf = (index: number): string => `${SUBNET}.${11 + index}`;

export const network = {
  bridge: BRIDGE,
  /** Once, in a namespace that is still empty. */
  make(): void {
    run('ip', ['link', 'set', 'lo', 'up']);
    for (const name of [BRIDGE, OTHER_HALF]) {
      const settings = ['type', 'bridge', 'stp_state', '0', 'forward_delay', '0'];
      run('ip', ['link', 'add', name, 'address', OBSERVER_HARDWARE, ...settings]);
      run('ip', ['link', 'set', name, 'up']);
    }
    run('ip', ['address', 'add', `${OBSERVER}/24`, 'dev', BRIDGE]);
  },
  /** The cable of a machine: systemd-nspawn names the bridge's end `vb-<machine>`. */
  plug(machine: string, inserted: boolean): number {
    const atMs = Date.now();
    run('ip', ['link', 'set', `vb-${machine}`, inserted ? 'up' : 'down']);
    return atMs;
  },
  /** Puts a machine on the other half of a split bridge (true), or back. */
  split(machine: string, address: string, away: boolean): void {
    run('ip', ['link', 'set', `vb-${machine}`, 'master', away ? OTHER_HALF : BRIDGE]);
    const route = [`${address}/32`, 'dev', OTHER_HALF];
    if (away) run('ip', ['route', 'replace', ...route, 'src', OBSERVER]);
    else tryRun('ip', ['route', 'delete', ...route]);
  },
  /**
   * The end of a machine takes its cable with it, a moment later. The next one of that name is
   * plugged into the first half, wherever the last one was.
   */
  forget(machine: string, address: string): void {
    tryRun('ip', ['link', 'delete', `vb-${machine}`]);
    tryRun('ip', ['route', 'delete', `${address}/32`, 'dev', OTHER_HALF]);
  },
};
