/**
 * How a client outside finds the master: by the line `baton-api` that every node keeps in its hosts
 * file, as a kubeconfig with that name would. The newest line among the nodes that have power is
 * believed; a client that is refused there tries the other addresses that nodes point at.
 */
import { readFileSync, statSync } from 'node:fs';
import { masterAddress } from '../../agent/actions/hosts-line.ts';
import type { WatchedNode } from './watched.ts';

interface Line {
  readonly address: string;
  readonly writtenMs: number;
}

const lineOf = (node: WatchedNode): Line | null => {
  try {
    const address = masterAddress(readFileSync(node.place.hostsFile, 'utf8'));
    if (address === null) return null;
    return { address, writtenMs: statSync(node.place.hostsFile).mtimeMs };
  } catch {
    return null; // Being replaced this very moment.
  }
};

/** Nodes that hosts files point at, newest line first, each once. Empty before the first master. */
export const announcedMasters = (nodes: readonly WatchedNode[]): WatchedNode[] => {
  const lines = nodes
    .filter(({ on }) => on)
    .map(lineOf)
    .filter((line) => line !== null)
    .sort((a, b) => b.writtenMs - a.writtenMs);
  const addresses = [...new Set(lines.map(({ address }) => address))];
  return addresses.flatMap((address) => nodes.filter(({ place }) => place.address === address));
};
