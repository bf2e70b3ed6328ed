/** Nodes without rows, and the node that holds them all is gone (L14). */
import { describe, expect, it } from 'vitest';
import { type CoreCluster, servingCluster } from '../../golden/core-cluster.ts';

const nothing = { lineageEpoch: 0, revision: 0, clean: true, source: 'none' } as const;
const found = { kind: 'command', id: 'f', command: { name: 'found' } } as const;
const promote = {
  kind: 'command',
  id: 'p',
  command: { name: 'promote', other_is_dead: true },
} as const;

/** a, which holds every row, is dead. */
function emptyReceivers(...names: readonly string[]): CoreCluster {
  const cluster = servingCluster(Object.fromEntries(['a', ...names].map((name) => [name, {}])));
  for (const name of names) cluster.setDatastore(name, nothing);
  cluster.run(5000);
  cluster.powerOff('a');
  cluster.run(20_000);
  expect(cluster.serving()).toEqual([]);
  return cluster;
}

const told = ({ trace }: CoreCluster): string => trace.at(-1) ?? '';

describe('empty nodes, beside a dead one that holds the rows', () => {
  it('say to `baton found` and to `baton promote` what would help (80)', () => {
    const cluster = emptyReceivers('b', 'c');
    for (const command of [found, promote]) {
      cluster.give('b', command);
      expect(told(cluster)).toContain('a is known to hold the cluster’s rows: start it');
      expect(told(cluster)).toContain('on an empty card if its own is lost');
    }
  });

  it('advise nothing about a master that is there', () => {
    const cluster = servingCluster({ a: {}, b: {}, c: { eligible: false } });
    cluster.setDatastore('b', nothing);
    cluster.run(3000);
    for (const [node, command] of [
      ['b', found],
      ['b', promote],
      ['c', found],
    ] as const) {
      cluster.give(node, command);
      expect(told(cluster)).toContain('reply');
      expect(told(cluster)).toContain('false');
      expect(told(cluster)).not.toContain('start it');
    }
  });

  it('the same of two', () => {
    const cluster = emptyReceivers('b');
    cluster.give('b', promote);
    expect(told(cluster)).toContain('a is known to hold the cluster’s rows: start it');
  });

  it('begin anew once it has said on a new card that it holds nothing', () => {
    const cluster = emptyReceivers('b', 'c');
    cluster.machine('a').disk = null;
    cluster.machine('a').datastore = nothing;
    cluster.boot('a');
    cluster.run(60_000);
    expect(cluster.serving()).toHaveLength(1);
  });

  it('go on with its rows once it is back', () => {
    const cluster = emptyReceivers('b', 'c');
    cluster.boot('a');
    cluster.run(60_000);
    expect(cluster.serving()).toEqual(['a']);
  });
});
