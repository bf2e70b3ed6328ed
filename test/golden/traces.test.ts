/**
 * Golden traces of the core: whole stories, each decision with its time and its reason.
 *
 * The last one is the schedule that breaks plain Paxos with a restarted diskless voter: X has
 * promises of A and B and stalls; A restarts and waits out its silence; Y wins with A and C under a
 * lower ballot; X's late Propose would win A and B.
 */
import { describe, expect, it } from 'vitest';
import type { LeaseMessage } from '../../shared/protocol/lease-messages.ts';
import { CoreCluster } from './core-cluster.ts';
import { expectGolden } from './golden.ts';

const three = { a: {}, b: {}, c: {} };

function started(): CoreCluster {
  const cluster = new CoreCluster(three);
  cluster.boot('a', 'b', 'c');
  cluster.run(12_000);
  return cluster;
}

/** Runs until `happened`, for one virtual minute at most. */
function until(cluster: CoreCluster, happened: () => boolean): void {
  for (let step = 0; step < 12_000 && !happened(); step += 1) cluster.run(5);
  expect(happened()).toBe(true);
}

describe('golden traces', () => {
  it('first start, death of the master, its return', () => {
    const cluster = started();
    cluster.powerOff('a');
    cluster.run(12_000);
    cluster.boot('a');
    cluster.run(12_000);
    expect(cluster.serving()).toEqual(['b']);
    expectGolden('failover', cluster.trace);
  });

  it('a planned move and back', () => {
    const cluster = started();
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const { lineageEpoch, revision } = cluster.machine(from).datastore;
      cluster.setDatastore(to, { lineageEpoch, revision, clean: true, source: 'replica' });
      cluster.give(from, { kind: 'command', id: `to-${to}`, command: { name: 'move', to } });
      cluster.run(3000);
    }
    expect(cluster.serving()).toEqual(['a']);
    expectGolden('move', cluster.trace);
  });

  it('the agent of the master is restarted in the middle of a promotion', () => {
    const cluster = started();
    cluster.powerOff('a');
    cluster.run(6500);
    until(cluster, () => cluster.trace.at(-1)?.includes('install_archive') === true);
    cluster.machine('b').timers.clear();
    cluster.startProcess('b');
    cluster.run(3000);
    expect(cluster.serving()).toEqual(['b']);
    expectGolden('restart-in-promotion', cluster.trace);
  });

  it('two leases through a restarted voter: the schedule that breaks plain Paxos', () => {
    const voter = { eligible: false };
    const asker = { voter: false };
    const cluster = new CoreCluster({ a: voter, b: voter, c: voter, x: asker, y: asker });
    const reaches: Record<string, readonly string[]> = { x: ['a', 'b'], y: ['a', 'c'] };
    cluster.passes = (from, to) =>
      (reaches[from]?.includes(to) ?? true) && (reaches[to]?.includes(from) ?? true);
    // x gets its Promises, but what it sends with them is held back; c is not allowed to teach it.
    cluster.holds = (from, _to, { kind }) =>
      from === 'x' && (kind === 'propose' || kind === 'release');
    cluster.boot('a', 'b', 'c', 'x');
    until(cluster, () => cluster.held.some(({ message }) => counterOf(message) === 3));
    cluster.machine('x').timers.clear();
    cluster.boot('a', 'y');
    until(cluster, () => cluster.serving().includes('y'));
    expect(cluster.view('y').ballot?.counter).toBeLessThan(3);
    for (const { from, to, message } of cluster.held.splice(0)) {
      if (counterOf(message) === 3) cluster.deliver(from, to, message);
    }
    cluster.run(500);
    expect(cluster.serving()).toEqual(['y']);
    expect(cluster.view('x').role).not.toBe('master');
    expectGolden('two-leases-refused', cluster.trace);
  });
});

const counterOf = (message: LeaseMessage): number =>
  message.kind === 'propose' ? message.ballot.counter : 0;
