/**
 * The wall clock: read again while the agent runs, carried by renewals, trusted only when vouched
 * for.
 */
import { expect, test } from 'vitest';
import { newestWall } from '../../../agent/core/lease/wall.ts';
import { instant, wallTime } from '../../../shared/time/duration.ts';
import { CoreCluster } from '../../golden/core-cluster.ts';

/** Years after every clock of the test cluster. */
const later = Date.UTC(2031, 0, 1);

const started = (): CoreCluster => {
  const cluster = new CoreCluster({ a: {}, b: {}, c: {} });
  cluster.boot('a', 'b', 'c');
  cluster.run(12_000);
  expect(cluster.serving()).toEqual(['a']);
  return cluster;
};
const known = (cluster: CoreCluster, node: string): number =>
  newestWall(cluster.machine(node).state, instant(cluster.now));

test('a clock that is set after the start is known to every node within a renewal', () => {
  const cluster = started();
  const wall = { time: wallTime(later), synchronised: true };
  cluster.give('a', { kind: 'wall', wall });
  cluster.run(2000);
  for (const node of ['a', 'b', 'c']) expect(known(cluster, node)).toBeGreaterThanOrEqual(later);
  expect(cluster.serving()).toEqual(['a']);
});

test('a clock that nobody vouches for moves nothing, however far it jumps', () => {
  const cluster = started();
  const before = known(cluster, 'b');
  const wall = { time: wallTime(later), synchronised: false };
  cluster.give('a', { kind: 'wall', wall });
  cluster.run(60_000);
  expect(known(cluster, 'b')).toBeLessThan(before + 120_000);
  expect(known(cluster, 'b')).toBeLessThan(later);
  expect(cluster.serving()).toEqual(['a']);
});
