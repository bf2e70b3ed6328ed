/**
 * Tells the service manager about a state (sd_notify(3)), when there is one.
 *
 * Node has no datagram sockets of the Unix family, so systemd's own small program sends the line;
 * the unit needs `NotifyAccess=all`. Where it is missing, that is logged and nothing else happens.
 */
import { execFile } from 'node:child_process';
import { warn } from './log.ts';

export const notifySystemd = (...states: string[]): void => {
  if (!process.env.NOTIFY_SOCKET) return;
  execFile('systemd-notify', states, (error) => {
    if (error !== null) warn(`Could not notify the service manager: ${error.message}`);
  });
};
