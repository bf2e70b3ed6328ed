/** One test per defect that a hostile reading of the core found. */
import { describe, expect, it } from 'vitest';
import type { Step } from '../../../agent/core/types.ts';
import { milliseconds } from '../../../shared/time/duration.ts';
import { CoreCluster, move, servingCluster, since } from '../../golden/core-cluster.ts';

const names = ['a', 'b', 'c'];
const nothing = { lineageEpoch: 0, revision: 0, clean: true, source: 'none' } as const;

function serving(nodes: readonly string[] = names): CoreCluster {
  return servingCluster(Object.fromEntries(nodes.map((name) => [name, {}])));
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
    expect(cluster.trace.at(-1)).toContain('reply 9 false Not promoted: this node holds nothing');
    cluster.run(20_000);
    expect(cluster.view('b').list?.members).toEqual(['a', 'b']);
  });

  it('63: and given up, with a sentence, when the other announces what is known', () => {
    const cluster = serving(['a', 'b']);
    cluster.run(5000);
    cluster.passes = () => false;
    cluster.give('b', promote);
    cluster.passes = () => true;
    cluster.run(6000);
    expect(cluster.trace.join('\n')).toContain('b is not promoted alone after all: a lives');
    expect(cluster.serving()).toEqual(['a']);
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
      newest_tenure: 1,
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

function until(cluster: CoreCluster, isSo: () => boolean): void {
  const end = cluster.now + 60_000;
  while (!isSo()) {
    if (cluster.now > end) throw new Error(cluster.trace.slice(-40).join('\n'));
    cluster.run(5);
  }
}

/** b has just won after the death of a, and is at `step`. */
function promoting(step: Step): CoreCluster {
  const cluster = serving();
  cluster.powerOff('a');
  until(cluster, () => !(cluster.steps('b').at(-1) !== step));
  return cluster;
}

const shutdown = { kind: 'stopping', why: 'shutdown' } as const;

describe('an agent that is restarted during a promotion', () => {
  it('does not wait for a server that has ended meanwhile (48)', () => {
    const cluster = promoting('check_ready');
    cluster.machine('b').server = false;
    const mark = cluster.trace.length;
    cluster.startProcess('b');
    expect(since(cluster, mark)).toContain('the server ended: it was gone at the start');
    expect(since(cluster, mark)).not.toContain('step check_ready');
  });

  it('asks anew what is needed of the archive (52)', () => {
    const cluster = promoting('install_archive');
    const mark = cluster.trace.length;
    cluster.startProcess('b');
    expect(since(cluster, mark)).toContain('step install_datastore epoch 2');
  });

  it('does not give rows away that nobody else has (52)', () => {
    const cluster = serving();
    const rows = (revision: number) =>
      ({ lineageEpoch: 1, revision, clean: true, source: 'replica' }) as const;
    cluster.setDatastore('b', rows(90));
    cluster.setDatastore('c', rows(50));
    cluster.powerOff('a');
    cluster.failing.add('b start_server');
    until(cluster, () => !(cluster.steps('b').at(-1) !== 'install_datastore'));
    cluster.startProcess('b');
    const mark = cluster.trace.length;
    cluster.run(1000);
    expect(since(cluster, mark)).toContain('nobody else has its revisions: try 2');
  });
});

describe('a lease that has run out', () => {
  it('is not renewed by a late answer while its end could not be written (49)', () => {
    const cluster = serving();
    cluster.holds = (_from, to, { kind }) => to === 'a' && kind === 'accept';
    until(cluster, () => !(cluster.now < (cluster.view('a').deadline ?? 0) - 10));
    cluster.failPersist = 'a';
    cluster.run(20);
    expect(cluster.machine('a').state.run.held).not.toBeNull();
    cluster.failPersist = null;
    const mark = cluster.trace.length;
    for (const { from, to, message } of cluster.held.splice(0)) cluster.deliver(from, to, message);
    cluster.run(20);
    expect(since(cluster, mark)).toContain('fences itself, epoch 1');
    expect(cluster.machine('a').state.run.held).toBeNull();
  });
});

describe('a node that is being switched off', () => {
  it('is not promoted by answers that are under way (50)', () => {
    const cluster = serving();
    cluster.powerOff('a');
    cluster.holds = (_from, to, { kind }) => to === 'b' && kind === 'promise';
    until(cluster, () => !(cluster.view('b').phase !== 'asking'));
    cluster.run(5);
    cluster.give('b', shutdown);
    for (const { from, to, message } of cluster.held.splice(0)) cluster.deliver(from, to, message);
    cluster.run(20_000);
    expect(cluster.steps('b')).not.toContain('install_datastore');
    expect(cluster.serving()).toEqual(['c']);
    expect(cluster.machine('c').state.leaving).toEqual(['b']);
  });

  it('hands over to somebody else when the target of a move is gone (50)', () => {
    const cluster = serving();
    cluster.stepTakes = 3000;
    cluster.give('a', move('b'));
    cluster.powerOff('b');
    cluster.give('a', shutdown);
    cluster.run(30_000);
    expect(cluster.trace.join('\n')).toContain('released epoch 1 to c');
    expect(cluster.serving()).toEqual(['c']);
    expect(cluster.machine('c').state.leaving).toEqual(['a']);
  });

  it('asks to leave after a role that it gives back (50)', () => {
    const cluster = promoting('start_server');
    cluster.failing.add('b check_ready');
    until(cluster, () => !(cluster.view('b').phase !== 'stepping_down'));
    cluster.give('b', shutdown);
    cluster.run(20_000);
    expect(cluster.machine('c').state.leaving).toEqual(['b']);
    expect(cluster.serving()).toEqual(['c']);
  });

  it('keeps its vote when its agent was replaced meanwhile and lives on (50)', () => {
    const cluster = serving();
    cluster.give('a', shutdown);
    cluster.run(20);
    cluster.startProcess('a');
    cluster.run(20_000);
    expect(cluster.serving()).toHaveLength(1);
    expect(cluster.serving()).not.toEqual(['a']);
    expect(cluster.machine('a').state.run.left).toBe(false);
  });
});

describe('a voter whose promise nobody uses any more', () => {
  it('is counted by the master again (51)', () => {
    const cluster = serving();
    cluster.run(1000);
    const isOfC = (from: string, to: string): boolean => from === 'c' || to === 'c';
    cluster.passes = (from, to) => !isOfC(from, to);
    cluster.run(12_000);
    // A candidate that dies at once; its Release never comes.
    const ballot = { counter: 900, node: 'b', nonce: 'b9' };
    const { position, list } = {
      position: { node: 'b', lineage_epoch: 1, revision: 1, word: { nonce: 'b9', sequence: 1 } },
      list: cluster.view('c').list ?? {
        epoch: 0,
        number: 0,
        members: [],
        previous: [],
        committed: true,
      },
    };
    cluster.deliver('b', 'c', { kind: 'prepare', ballot, position, list });
    cluster.run(10);
    expect(cluster.machine('c').state.run.promised).toMatchObject({ counter: 900 });
    cluster.passes = () => true;
    const nonce = cluster.machine('c').state.nonce;
    cluster.run(60_000);
    expect(cluster.serving()).toEqual(['a']);
    expect(cluster.machine('c').state.nonce).not.toBe(nonce);
    const counted = cluster.machine('a').state.run.held?.nonces;
    expect(counted?.c).toBe(cluster.machine('c').state.nonce);
    expect(cluster.view('a').epoch).toBe(1);
  });
});
