/**
 * The one line of /etc/hosts by which a node follows the master: `<address> baton-api # baton`.
 *
 * K3S_URL and the serving certificate name `baton-api`; rewriting this line moves every k3s agent
 * to the new server without a restart (DESIGN section 5). Everything else in the file belongs to
 * other people and comes through byte for byte.
 *
 * Pure: the shell reads and writes the file. Source: hosts(5).
 */
import { isIP } from 'node:net';
import { BatonError } from '../../shared/errors/baton-error.ts';

/** The name in K3S_URL and in `--tls-san`. */
export const API_NAME = 'baton-api';
const MARK = '# baton';

const isOurs = (line: string): boolean => {
  const [addresses = ''] = line.split('#', 1);
  const names = addresses.trim().split(/\s+/).slice(1);
  return line.trimEnd().endsWith(MARK) && names.includes(API_NAME);
};

/**
 * The hosts text with exactly one line of ours, pointing at `address`. A first line is appended; an
 * existing one is replaced where it stands; further ones (a crash, a careless copy) are dropped.
 * Errors: `settings-invalid` when `address` is not an IP address (hosts(5) knows no names there).
 */
export const withMaster = (hosts: string, address: string): string => {
  if (isIP(address) === 0) {
    throw new BatonError(
      'settings-invalid',
      'usage',
      `the master's address "${address}" is not an IP address - /etc/hosts cannot point ` +
        `${API_NAME} at a name - give this node an IP address under cluster.nodes`,
      { context: { address } },
    );
  }
  const ours = `${address} ${API_NAME} ${MARK}`;
  const lines = hosts.split('\n');
  const first = lines.findIndex(isOurs);
  if (first < 0) {
    const end = hosts === '' || hosts.endsWith('\n') ? '' : '\n';
    return `${hosts}${end}${ours}\n`;
  }
  const others = (line: string, index: number) => index === first || !isOurs(line);
  return lines
    .filter(others)
    .map((line) => (isOurs(line) ? ours : line))
    .join('\n');
};

/** The address that our line points at now, or null when there is none. */
export const masterAddress = (hosts: string): string | null => {
  const line = hosts.split('\n').find(isOurs);
  return line?.trim().split(/\s+/)[0] ?? null;
};
