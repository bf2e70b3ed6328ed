/** How voters leave, return and are taken out (L10), where somebody is missing meanwhile. */
import { describe, expect, it } from 'vitest';
import {
  type CoreCluster,
  type NodeOptions,
  servingCluster,
  since,
} from '../../golden/core-cluster.ts';

const shutdown = { kind: 'stopping', why: 'shutdown' } as const;
const promote = {
  kind: 'command',
  id: 'p',
  command: { name: 'promote', other_is_dead: true },
} as const;
const three = { a: {}, b: {}, c: {} };

const serving = (nodes: Record<string, NodeOptions> = three) => servingCluster(nodes);

/** The daemon of a voter gives it 4 s (wiring/ending.ts). */
function switchOff(cluster: CoreCluster, name: string): void {
  cluster.give(name, shutdown);
  cluster.run(4000);
  cluster.powerOff(name);
}

const told = (cluster: CoreCluster): string => cluster.trace.join('\n');
const listOf = (cluster: CoreCluster, name: string) => cluster.view(name).list;

describe('a change that waits for somebody who is gone', () => {
  it('is not begun: who left in order returns to a majority (72)', () => {
    const cluster = serving();
    cluster.powerOff('b');
    cluster.run(3000);
    switchOff(cluster, 'c');
    expect(listOf(cluster, 'a')).toMatchObject({ members: ['a', 'b', 'c'], committed: true });
    cluster.run(20_000);
    expect(cluster.serving()).toEqual([]);
    cluster.boot('c');
    cluster.run(30_000);
    expect(cluster.serving()).toHaveLength(1);
  });

  it('the same of five, of which two are dead (72)', () => {
    const cluster = serving({ a: {}, b: {}, c: {}, d: {}, e: {} });
    cluster.powerOff('d', 'e');
    cluster.run(3000);
    switchOff(cluster, 'c');
    cluster.run(20_000);
    cluster.boot('c');
    cluster.run(30_000);
    expect(cluster.serving()).toHaveLength(1);
  });

  it('and who returns does not bind a pinned master (73)', () => {
    const cluster = serving();
    switchOff(cluster, 'c');
    expect(listOf(cluster, 'a')).toMatchObject({ members: ['a', 'b'], committed: true });
    cluster.powerOff('b');
    cluster.run(3000);
    cluster.boot('c');
    cluster.run(40_000);
    expect(listOf(cluster, 'a')).toMatchObject({ members: ['a', 'b'], committed: true });
    switchOff(cluster, 'c');
    cluster.run(20_000);
    expect(cluster.serving()).toEqual(['a']);
    cluster.boot('b', 'c');
    cluster.run(40_000);
    expect(listOf(cluster, 'a')?.members.toSorted()).toEqual(['a', 'b', 'c']);
  });

  it('is begun when others can commit it: somebody dead is left where it is (72)', () => {
    const cluster = serving({ a: {}, b: {}, c: {}, d: {}, e: {} });
    cluster.powerOff('e');
    cluster.run(3000);
    switchOff(cluster, 'd');
    expect(listOf(cluster, 'a')).toMatchObject({ members: ['a', 'b', 'c', 'e'], committed: true });
  });
});

it('a master whom the list lacks takes itself in (74)', () => {
  const cluster = serving();
  switchOff(cluster, 'b');
  switchOff(cluster, 'c');
  expect(listOf(cluster, 'a')?.members).toEqual(['a']);
  cluster.powerOff('a');
  cluster.failing.add('a start_server');
  cluster.boot('a', 'b', 'c');
  cluster.run(60_000);
  const [master = ''] = cluster.serving();
  expect(['b', 'c']).toContain(master);
  expect(listOf(cluster, master)?.members.toSorted()).toEqual(['a', 'b', 'c']);
  cluster.powerOff('a');
  cluster.run(60_000);
  expect(cluster.serving()).toEqual([master]);
});

describe('whoever is switched off has left', () => {
  it('once the list that lacks it is committed (75)', () => {
    const cluster = serving();
    cluster.holds = (_from, to, { kind }) => to === 'a' && kind === 'accept';
    const mark = cluster.trace.length;
    cluster.give('c', shutdown);
    cluster.run(1700);
    expect(cluster.trace.slice(mark).join('\n')).toContain('takes c out');
    expect(listOf(cluster, 'c')).toMatchObject({ members: ['a', 'b'], committed: false });
    expect(since(cluster, mark)).not.toContain('reply shutdown');
    cluster.holds = () => false;
    for (const { from, to, message } of cluster.held.splice(0)) cluster.deliver(from, to, message);
    cluster.run(2000);
    expect(since(cluster, mark)).toContain('reply shutdown true');
  });

  /** c has returned; its wish comes as the server starts again, when nothing is changed. */
  function asked(): CoreCluster {
    const cluster = serving();
    switchOff(cluster, 'c');
    cluster.run(2000);
    cluster.boot('c');
    cluster.run(10_000);
    cluster.stepTakes = 20_000;
    cluster.give('a', { kind: 'server_exited', epoch: 1, detail: 'killed' });
    cluster.run(15_000);
    expect(cluster.machine('a').state.joining).toEqual(['c']);
    return cluster;
  }

  it('and is not waited for any more, though it had asked to be taken in (75)', () => {
    const cluster = asked();
    const mark = cluster.trace.length;
    cluster.give('c', shutdown);
    expect(since(cluster, mark)).not.toContain('reply shutdown');
    cluster.run(100);
    expect(since(cluster, mark)).toContain('reply shutdown true');
    expect(cluster.machine('a').state.joining).toEqual([]);
  });

  it('the same when its agent has just been restarted, and knows of no master (87)', () => {
    const cluster = asked();
    const mark = cluster.trace.length;
    cluster.startProcess('c');
    cluster.give('c', shutdown);
    expect(since(cluster, mark)).not.toContain('reply shutdown');
    cluster.run(5000);
    expect(since(cluster, mark)).toContain('reply shutdown true');
    expect(cluster.machine('a').state.joining).toEqual([]);
  });

  it('and an answer to its wish to return, come late, does not end the leave (87)', () => {
    const cluster = asked();
    cluster.holds = (from, to, { kind }) => from === 'a' && to === 'c' && kind === 'learned';
    cluster.run(4000);
    const late = cluster.held.splice(0);
    expect(late.length).toBeGreaterThan(0);
    const mark = cluster.trace.length;
    cluster.passes = (from) => from !== 'c';
    cluster.give('c', shutdown);
    for (const { from, to, message } of late) cluster.deliver(from, to, message);
    cluster.run(500);
    expect(since(cluster, mark)).not.toContain('reply shutdown');
  });
});

describe('a wish', () => {
  it('to leave is repeated until it is fulfilled, and no longer (77)', () => {
    const cluster = serving();
    let wishes = 0;
    cluster.passes = (_from, _to, { kind }) => {
      if (kind === 'membership') wishes += 1;
      return true;
    };
    cluster.give('c', { kind: 'command', id: 'l', command: { name: 'leave' } });
    cluster.run(60_000);
    expect(listOf(cluster, 'a')?.members).toEqual(['a', 'b']);
    expect(wishes).toBeLessThan(6);
    // There is nobody to ask, and nothing to wait for.
    cluster.powerOff('a');
    cluster.run(10_000);
    const mark = cluster.trace.length;
    cluster.give('c', shutdown);
    expect(since(cluster, mark)).toContain('reply shutdown true');
  });

  it('to leave ends with the life that had it (77)', () => {
    const cluster = serving();
    cluster.stepTakes = 30_000;
    cluster.give('a', { kind: 'server_exited', epoch: 1, detail: 'killed' });
    switchOff(cluster, 'c');
    expect(cluster.machine('a').state.leaving).toEqual(['c']);
    cluster.boot('c');
    const mark = cluster.trace.length;
    cluster.run(70_000);
    expect(cluster.view('a').phase).toBe('serving');
    expect(since(cluster, mark)).not.toContain('takes c out');
  });

  it('to return is answered with the list, so that the last survivor can be promoted (77)', () => {
    const cluster = serving();
    cluster.powerOff('c');
    cluster.run(902_000);
    expect(listOf(cluster, 'a')).toMatchObject({ members: ['a', 'b'], committed: true });
    cluster.powerOff('b');
    cluster.run(3000);
    cluster.boot('c');
    cluster.run(40_000);
    cluster.powerOff('a');
    cluster.run(10_000);
    cluster.give('c', promote);
    cluster.run(20_000);
    expect(cluster.serving()).toEqual(['c']);
  });
});

/** c, a voter that the list lacks, follows a, and nobody asks for its vote. */
function withFollower(): CoreCluster {
  const cluster = serving();
  switchOff(cluster, 'c');
  cluster.boot('c');
  cluster.passes = (from, _to, { kind }) => from !== 'c' || kind !== 'membership';
  cluster.run(12_000);
  return cluster;
}

describe('a promotion by force', () => {
  it('waits for a master that a new process can not remember (76)', () => {
    const cluster = withFollower();
    cluster.startProcess('c');
    cluster.give('c', promote);
    cluster.run(20_000);
    expect(told(cluster)).toContain('is not promoted alone after all: a lives');
    expect(cluster.serving()).toEqual(['a']);
  });

  it('ends with a leave (76)', () => {
    const cluster = serving({ a: {}, b: {} });
    cluster.powerOff('a');
    cluster.run(1000);
    cluster.give('b', promote);
    cluster.give('b', { kind: 'command', id: 'l', command: { name: 'leave' } });
    cluster.run(20_000);
    expect(told(cluster)).toContain('is not promoted alone after all: it has left the voters');
    expect(listOf(cluster, 'b')?.members).toEqual(['a', 'b']);
  });

  it.each([
    ['has no vote', { a: {}, b: {}, d: { voter: false } }, false],
    ['has left the voters', { a: {}, b: {}, d: {} }, true],
  ])('is refused where the node %s (76)', (_what, nodes, leaves) => {
    const cluster = serving(nodes);
    if (leaves) {
      cluster.give('d', { kind: 'command', id: 'l', command: { name: 'leave' } });
      cluster.run(5000);
    }
    cluster.give('d', promote);
    expect(cluster.trace.at(-1)).toContain('reply p false This node has no vote, or has left');
  });

  it('leaves a master that has no lock here its time to be heard (76)', () => {
    const cluster = withFollower();
    const mark = cluster.trace.length;
    cluster.give('c', promote);
    cluster.run(20_000);
    expect(since(cluster, mark)).toContain('reply p true Promotes itself alone in');
    expect(since(cluster, mark)).toContain('is not promoted alone after all: a lives');
    expect(cluster.serving()).toEqual(['a']);
    expect(cluster.view('a').epoch).toBe(1);
  });
});
