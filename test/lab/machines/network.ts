/**
 * The lab's network: one bridge in a network namespace of the lab's own. The observer sits on it;
 * nothing leads out. Addresses are of the range for examples (RFC 5737).
 */
import { run, tryRun } from './host.ts';

const BRIDGE = 'lab0';
const SUBNET = '192.0.2';

export const addressOf = (index: number): string => `${SUBNET}.${11 + index}`;

export const network = {
  bridge: BRIDGE,
  /** Once, in a namespace that is still empty. */
  make(): void {
    run('ip', ['link', 'set', 'lo', 'up']);
    run('ip', ['link', 'add', BRIDGE, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0']);
    run('ip', ['address', 'add', `${SUBNET}.1/24`, 'dev', BRIDGE]);
    run('ip', ['link', 'set', BRIDGE, 'up']);
  },
  /** The cable of a machine: systemd-nspawn names the bridge's end `vb-<machine>`. */
  plug(machine: string, inserted: boolean): number {
    const atMs = Date.now();
    run('ip', ['link', 'set', `vb-${machine}`, inserted ? 'up' : 'down']);
    return atMs;
  },
  /** The end of a machine takes its cable with it, a moment later. */
  forget(machine: string): void {
    tryRun('ip', ['link', 'delete', `vb-${machine}`]);
  },
};
