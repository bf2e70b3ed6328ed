/**
 * Who listens on a loopback address and port: the pid, through /proc/net/tcp and the open sockets
 * of every process of this user. Null when it is another user's, or nobody. Source: proc(5).
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTEN = '0A';

/** `127.0.0.11:6443` as /proc/net/tcp writes it: the address as a little-endian number. */
export const kernelAddress = (host: string, port: number): string => {
  const bytes = host.split('.').reverse();
  const hexadecimal = (value: number, digits: number) =>
    value.toString(16).toUpperCase().padStart(digits, '0');
  return `${bytes.map((byte) => hexadecimal(Number(byte), 2)).join('')}:${hexadecimal(port, 4)}`;
};

/** Inode of the listening socket in the text of /proc/net/tcp; an open wildcard counts too. */
export const listeningInode = (table: string, host: string, port: number): string | null => {
  const wanted = [kernelAddress(host, port), kernelAddress('0.0.0.0', port)];
  for (const line of table.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (wanted.includes(fields[1] ?? '') && fields[3] === LISTEN) return fields[9] ?? null;
  }
  return null;
};

const holds = (pid: string, socket: string): boolean => {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((name) => {
      try {
        return readlinkSync(`${folder}/${name}`) === socket;
      } catch {
        return false; // Closed meanwhile.
      }
    });
  } catch {
    return false; // Ended meanwhile, or another user's.
  }
};

export const portOwner = (host: string, port: number): number | null => {
  const inode = listeningInode(readFileSync('/proc/net/tcp', 'utf8'), host, port);
  if (inode === null) return null;
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = pids.find((pid) => holds(pid, `socket:[${inode}]`));
  return found === undefined ? null : Number(found);
};
