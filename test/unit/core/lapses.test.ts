/** A node that loses its lease again and again; a voter off the list that asks in vain. */
import { describe, expect, it } from 'vitest';
import type { DatastoreFacts } from '../../../agent/core/types.ts';
import { type CoreCluster, type NodeOptions, servingCluster } from '../../golden/core-cluster.ts';

const three = { a: {}, b: {}, c: {} };
const fence = / a {3}fence epoch/;
const minute = 60_000;
const nothing = { lineageEpoch: 0, revision: 0, clean: true, source: 'none' } as const;

const serving = (nodes: Record<string, NodeOptions> = three) => servingCluster(nodes);

/** Serving is more than a can carry: nothing reaches it, or leaves it, while its server runs. */
function overload(cluster: CoreCluster): void {
  cluster.passes = (from, to) => !(from === 'a' || to === 'a') || !cluster.machine('a').server;
}

const fencesOf = ({ trace }: CoreCluster): number =>
  trace.filter((line) => fence.test(line)).length;

function lapse(cluster: CoreCluster): void {
  const before = fencesOf(cluster);
  overload(cluster);
  for (let tries = 0; fencesOf(cluster) === before && tries < 20; tries += 1) cluster.run(1000);
  cluster.passes = () => true;
  expect(fencesOf(cluster)).toBe(before + 1);
}

describe('a master whose machine cannot carry its server', () => {
  it('leaves the role to another one after three lost leases (78)', () => {
    const cluster = serving();
    overload(cluster);
    cluster.run(2 * minute);
    expect(fencesOf(cluster)).toBe(3);
    expect(cluster.serving()).not.toContain('a');
    expect(cluster.serving()).toHaveLength(1);
    expect(cluster.trace.join('\n')).toContain('has lost its lease 3 times');
  });

  it('also when its agent is restarted in between (78)', () => {
    const cluster = serving();
    for (let count = 0; count < 3; count += 1) {
      lapse(cluster);
      if (count < 2) cluster.run(5000);
      cluster.startProcess('a');
    }
    cluster.run(20_000);
    expect(cluster.serving()).toHaveLength(1);
    expect(cluster.serving()).not.toContain('a');
  });

  it('goes on where nobody else could serve', () => {
    const cluster = serving({ a: {}, b: { eligible: false }, c: { eligible: false } });
    overload(cluster);
    cluster.run(2 * minute);
    expect(fencesOf(cluster)).toBeGreaterThan(5);
    cluster.passes = () => true;
    cluster.run(15_000);
    expect(cluster.serving()).toEqual(['a']);
  });

  it('goes on where nobody else holds what it won with', () => {
    const cluster = serving();
    cluster.powerOff('b');
    for (let count = 0; count < 5; count += 1) {
      cluster.setDatastore('c', nothing);
      cluster.run(4000);
      lapse(cluster);
      cluster.run(5000);
      expect(cluster.serving()).toEqual(['a']);
    }
  });

  it('also where its agent was restarted once', () => {
    const cluster = serving({ a: {}, b: { eligible: false }, c: { eligible: false } });
    cluster.startProcess('a');
    for (let count = 0; count < 5; count += 1) {
      cluster.run(3000);
      lapse(cluster);
      cluster.run(5000);
      expect(cluster.serving()).toEqual(['a']);
    }
  });

  it('goes on where nobody else has the rows of its tenure', () => {
    const cluster = serving();
    for (let count = 0; count < 5; count += 1) {
      const { lineageEpoch, revision } = cluster.machine('a').datastore;
      const facts = { lineageEpoch, revision: revision + 5000, clean: true, source: 'server' };
      cluster.give('a', { kind: 'datastore', facts: facts as DatastoreFacts });
      cluster.run(5000);
      lapse(cluster);
      cluster.run(5000);
      expect(cluster.serving()).toEqual(['a']);
    }
  });

  it('goes on where the others have left the voters', () => {
    const cluster = serving({ a: {}, b: {}, c: { eligible: false }, d: { eligible: false } });
    cluster.give('b', { kind: 'command', id: 'l', command: { name: 'leave' } });
    cluster.run(5000);
    for (let count = 0; count < 5; count += 1) {
      const { lineageEpoch, revision } = cluster.machine('b').datastore;
      cluster.give('a', { kind: 'acknowledged', receiver: 'b', lineageEpoch, revision });
      cluster.run(3000);
      lapse(cluster);
      cluster.run(5000);
      expect(cluster.serving()).toEqual(['a']);
    }
  });

  it('leaves the role for two leases at most, for the others may fail as well', () => {
    const cluster = serving({ a: {}, b: {}, c: { eligible: false } });
    cluster.failing.add('b install_datastore');
    for (let count = 0; count < 6; count += 1) {
      cluster.run(4000);
      lapse(cluster);
      cluster.run(20_000);
      expect(cluster.serving()).toEqual(['a']);
    }
  });

  it('forgets a lost lease after ten minutes', () => {
    const cluster = serving();
    for (let count = 0; count < 5; count += 1) {
      lapse(cluster);
      cluster.run(11 * minute);
      expect(cluster.serving()).toEqual(['a']);
    }
  });
});

describe('a voter off the list that asks in vain', () => {
  it('leaves its own card as it is, and follows the winner (79)', () => {
    const cluster = serving({ a: {}, b: {}, c: {}, d: {} });
    cluster.give('d', { kind: 'stopping', why: 'shutdown' });
    cluster.run(4000);
    cluster.powerOff('d');
    cluster.run(2000);
    cluster.powerOff('a');
    cluster.boot('d');
    const heard = new Set(['prepare', 'promise', 'release']);
    const proposes = () => cluster.machine('d').state.run.round;
    // d alone asks, its proposals are lost, and it is heard of only as far as it asks.
    cluster.passes = (from, to, { kind }) => {
      if (from === 'd') return heard.has(kind);
      if (to === 'd') return kind !== 'announce';
      return proposes() >= 3;
    };
    for (let tries = 0; proposes() < 3 && tries < 600; tries += 1) cluster.run(1000);
    expect(proposes()).toBeGreaterThanOrEqual(3);
    cluster.run(20_000);
    cluster.passes = () => true;
    cluster.run(minute);
    const [master] = cluster.serving();
    expect(['b', 'c']).toContain(master);
    expect(cluster.view('d').master).toBe(master);
    expect(cluster.view('d').phase).toBe('following');
  });
});
