/** One test per defect that a hostile reading of the core found. */
import { describe, expect, it } from 'vitest';
import { milliseconds } from '../../../shared/time/duration.ts';
import { CoreCluster } from '../../golden/core-cluster.ts';

const names = ['a', 'b', 'c'];
const nothing = { lineageEpoch: 0, revision: 0, clean: true, source: 'none' } as const;

function serving(nodes: readonly string[] = names): CoreCluster {
  const cluster = new CoreCluster(Object.fromEntries(nodes.map((name) => [name, {}])));
  cluster.boot(...nodes);
  cluster.run(12_000);
  expect(cluster.serving()).toEqual(['a']);
  return cluster;
}

const promote = {
  kind: 'command',
  id: '9',
  command: { name: 'promote', other_is_dead: true },
} as const;
const found = { kind: 'command', id: '9', command: { name: 'found' } } as const;

describe('a node that holds nothing', () => {
  it('does not begin an empty cluster where others have written (L14)', () => {
    const cluster = serving();
    // Its copy has not begun, or the file was damaged.
    cluster.setDatastore('c', nothing);
    cluster.run(5000);
    cluster.powerOff('a');
    cluster.failing.add('b start_server');
    cluster.run(40_000);
    expect(cluster.steps('b')).toContain('start_server');
    expect(cluster.machine('c').datastore).toEqual(nothing);
    expect(cluster.serving()).toEqual([]);
    expect(cluster.steps('c')).not.toContain('install_datastore');
    cluster.failing.clear();
    cluster.run(60_000);
    expect(cluster.serving()).toEqual(['b']);
  });

  it('asks again: rows that are gone by their holder’s own word stand in nobody’s way', () => {
    const cluster = serving();
    cluster.setDatastore('c', nothing);
    cluster.run(5000);
    cluster.powerOff('a', 'b');
    cluster.machine('b').datastore = nothing;
    cluster.boot('b');
    cluster.run(60_000);
    expect(cluster.serving()).toEqual([]);
    cluster.machine('a').datastore = nothing;
    cluster.boot('a');
    cluster.run(60_000);
    expect(cluster.serving()).toHaveLength(1);
  });
});

describe('a node that holds nothing, after a power cut of all', () => {
  const witness = { eligible: false };
  const afterPowerCut = (): CoreCluster => {
    const cluster = new CoreCluster({ a: {}, b: {}, w: witness });
    cluster.boot('a', 'b', 'w');
    cluster.run(20_000);
    cluster.powerOff('a', 'b', 'w');
    cluster.machine('b').datastore = nothing;
    cluster.boot('b', 'w');
    cluster.run(600_000);
    return cluster;
  };

  it('waits for the others’ word, however long, and says what to do (L14)', () => {
    const cluster = afterPowerCut();
    expect(cluster.serving()).toEqual([]);
    expect(cluster.trace.some((line) => line.includes('start a, or begin'))).toBe(true);
    cluster.boot('a');
    cluster.run(60_000);
    expect(cluster.serving()).toEqual(['a']);
  });

  it('begins an empty cluster by the operator’s command only', () => {
    const cluster = afterPowerCut();
    cluster.give('b', found);
    expect(cluster.trace.some((line) => line.includes('reply 9 true'))).toBe(true);
    cluster.run(60_000);
    expect(cluster.serving()).toEqual(['b']);
  });
});

describe('a forced promotion of a node that holds nothing', () => {
  it('is refused: it would begin an empty cluster (L12)', () => {
    const cluster = serving(['a', 'b']);
    cluster.run(5000);
    cluster.powerOff('a');
    cluster.setDatastore('b', nothing);
    cluster.give('b', promote);
    expect(cluster.trace.at(-1)).toContain('reply 9 false This node holds no replica');
    cluster.run(20_000);
    expect(cluster.view('b').list?.members).toEqual(['a', 'b']);
  });

  it('and given up when the replica is lost during the wait', () => {
    const cluster = serving(['a', 'b']);
    cluster.run(5000);
    cluster.powerOff('a');
    cluster.give('b', promote);
    expect(cluster.trace.at(-1)).toContain('reply 9 true');
    cluster.setDatastore('b', nothing);
    cluster.run(20_000);
    expect(cluster.serving()).toEqual([]);
    expect(cluster.view('b').list?.members).toEqual(['a', 'b']);
  });
});

describe('learning after a new card (L9)', () => {
  it('asks a majority of the list, not of the configuration', () => {
    const cluster = serving(['a', 'b', 'c', 'd', 'e']);
    cluster.powerOff('d', 'e');
    cluster.run(2_000_000);
    expect(cluster.view('a').list?.members).toEqual(['a', 'b', 'c']);
    cluster.powerOff('c');
    cluster.machine('c').disk = null;
    cluster.boot('c');
    cluster.run(20_000);
    expect(cluster.machine('c').disk?.highest_epoch).toBe(1);
    expect(cluster.machine('c').disk?.list.members).toEqual(['a', 'b', 'c']);
  });

  it('is not taught by nodes that were taken out of the list', () => {
    const cluster = serving(['a', 'b', 'c', 'd', 'e']);
    cluster.powerOff('d', 'e');
    cluster.run(2_000_000);
    expect(cluster.view('a').list?.members).toEqual(['a', 'b', 'c']);
    // Epoch 2 is known to a and c alone; then c gets a new card and a is away.
    cluster.passes = (from, to) => from !== 'b' && to !== 'b';
    cluster.powerOff('a');
    cluster.boot('a');
    cluster.run(30_000);
    expect(cluster.machine('c').disk?.highest_epoch).toBe(2);
    expect(cluster.machine('b').disk?.highest_epoch).toBe(1);
    cluster.powerOff('a', 'c');
    cluster.machine('c').disk = null;
    cluster.passes = () => true;
    cluster.boot('c', 'd', 'e');
    cluster.run(20_000);
    // b, d and e are three of the four others, and not one of them knows epoch 2.
    expect(cluster.machine('c').disk).toBe(null);
  });

  it('takes what the others do know when the operator ends the wait', () => {
    const cluster = serving();
    cluster.powerOff('b', 'c');
    cluster.machine('c').disk = null;
    cluster.boot('c');
    cluster.run(10_000);
    expect(cluster.machine('c').disk).toBe(null);
    cluster.give('c', found);
    expect(cluster.machine('c').disk).toMatchObject({ highest_epoch: 1, epoch_owner: 'a' });
  });
});

describe('a lease that the settings have made shorter', () => {
  it('is still waited for by a voter that granted the longer one before its boot (L2)', () => {
    const cluster = serving();
    expect(cluster.machine('b').disk?.longest_lease_ms).toBe(8000);
    const { config } = cluster.machine('b');
    const shorter = { leaseDuration: milliseconds(5000), fenceAfter: milliseconds(3000) };
    Object.assign(cluster.machine('b'), { config: { ...config, ...shorter } });
    cluster.powerOff('b');
    cluster.boot('b');
    const silence = cluster.machine('b').state.run.silent_until - cluster.now;
    expect(silence).toBeGreaterThanOrEqual(8000);
    cluster.run(silence + 10);
    // From here on L6 refuses anything longer, and the next boot waits for the shorter one only.
    expect(cluster.machine('b').disk?.longest_lease_ms).toBe(5000);
  });
});

describe('a Promise of a voter that has granted a lease to somebody else', () => {
  it('is not counted, although it should have been refused (L3)', () => {
    const cluster = serving();
    cluster.passes = () => false;
    cluster.powerOff('a');
    cluster.run(8500);
    const { attempt } = cluster.machine('b').state;
    if (attempt === null) throw new TypeError('b asks for the lease');
    const promise = {
      kind: 'promise',
      ballot: attempt.ballot,
      nonce: 'c1',
      highest_epoch: 1,
      epoch_owner: 'a',
      list: attempt.list,
      positions: [],
      wall_ms: 0,
      wall_synchronised: false,
    } as const;
    const lent = { ballot: { counter: 1, node: 'a', nonce: 'a1' }, owner: 'a', epoch: 1 };
    const accepted = { ...lent, remaining_ms: 900 };
    cluster.give('b', { kind: 'message', from: 'c', message: { ...promise, accepted } });
    expect(cluster.machine('b').state.attempt?.phase).toBe('preparing');
    cluster.give('b', { kind: 'message', from: 'c', message: { ...promise, accepted: null } });
    expect(cluster.machine('b').state.attempt?.phase).toBe('proposing');
  });
});
