/** The moments of a change of master, from the new master's own steps and its server's pid file. */
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NodeReport } from '../../../shared/protocol/report.ts';
import { announcedMasters } from '../../lab/follow-master.ts';
import type { LabNode } from '../../lab/lab-node.ts';
import { placeNodes } from '../../lab/layout.ts';
import { hasEveryRevision, leaseTaken, serverStartedMs } from '../../lab/observer.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-observer-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const nodes = (): LabNode[] =>
  placeNodes(folder, 3).map((place) => ({ name: place.name, place, on: true }) as LabNode);

/** Writes a file whose time is `atMs`. */
const put = (path: string, text: string, atMs: number): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  utimesSync(path, atMs / 1000, atMs / 1000);
};

const report = (promotion: [string, number][], epoch = 2): NodeReport =>
  ({
    epoch,
    promotion: promotion.map(([step, at_ms]) => ({ step, at_ms })),
  }) as unknown as NodeReport;

const steps: [string, number][] = [
  ['node1 was missed', 0],
  ['asking', 1],
  ['node2 holds epoch 2', 40],
  ['promoting', 41],
  ['start_server', 300],
  ['check_ready', 900],
];

test('the lease is as much older than the server as the steps say', () => {
  const [, node] = nodes();
  if (node === undefined) throw new TypeError('three nodes');
  expect(leaseTaken(node, report(steps))).toBeNull();
  put(node.place.serverPidFile, '1 1\n', 1_000_000);
  expect(serverStartedMs(node)).toBe(1_000_000);
  expect(leaseTaken(node, report(steps))).toEqual({ missedMs: 999_700, takenMs: 999_740 });
  expect(leaseTaken(node, report(steps.slice(1)))?.missedMs).toBeNull();
  // The steps of an earlier epoch say nothing about this one.
  expect(leaseTaken(node, report(steps, 3))).toBeNull();
});

test('a client believes the newest hosts line of a node with power', () => {
  const [first, second, third] = nodes() as [LabNode, LabNode, LabNode];
  const line = (node: LabNode) => `127.0.0.1 localhost\n${node.place.address} baton-api # baton\n`;
  put(first.place.hostsFile, line(first), 1_000_000);
  put(second.place.hostsFile, line(third), 2_000_000);
  put(third.place.hostsFile, '127.0.0.1 localhost\n', 3_000_000);
  const names = (all: LabNode[]) => announcedMasters(all).map(({ name }) => name);
  expect(names([first, second, third])).toEqual(['node3', 'node1']);
  const dead = { ...second, on: false } as LabNode;
  expect(names([first, dead, third])).toEqual(['node1']);
});

test('RIG 33: who has acknowledged nothing of this tenure is not in step, whatever its lag', () => {
  const receiver = { node: 'node2', revision: 7, lag_revisions: 1513, lag_ms: 0 };
  const master = (lineage: number, more = {}) => ({
    epoch: 5,
    receivers: [{ ...receiver, lineage_epoch: lineage, ...more }],
  });
  expect(hasEveryRevision('node2', master(4))).toBe(false);
  expect(hasEveryRevision('node2', master(5))).toBe(true);
  expect(hasEveryRevision('node2', master(5, { lag_ms: 2000 }))).toBe(false);
  expect(hasEveryRevision('node3', master(5))).toBe(false);
});
