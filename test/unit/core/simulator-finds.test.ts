/** One test per bug that the simulator found in the core; test/BUGS.md tells their stories. */
import { describe, expect, it } from 'vitest';
import { hasRenewalQuorum } from '../../../agent/core/lease/member-list.ts';
import type { AgentEvent } from '../../../agent/core/types.ts';
import type { LeaseMessage } from '../../../shared/protocol/lease-messages.ts';
import { wallTime } from '../../../shared/time/duration.ts';
import {
  CoreCluster,
  move,
  type NodeOptions,
  servingCluster,
  since,
} from '../../golden/core-cluster.ts';

const three = { a: {}, b: {}, c: {} };

const serving = (nodes: Record<string, NodeOptions> = three) => servingCluster(nodes);

/** Of two voters b, which holds rows, has left in order: a's list is a alone. Both are off. */
function leftAlone(): CoreCluster {
  const cluster = serving({ a: {}, b: {} });
  cluster.setDatastore('b', { lineageEpoch: 1, revision: 9, clean: true, source: 'replica' });
  cluster.give('b', { kind: 'stopping', why: 'shutdown' });
  cluster.run(3000);
  expect(cluster.view('a').list).toMatchObject({ members: ['a'], committed: true });
  cluster.powerOff('b', 'a');
  return cluster;
}

const promote = {
  kind: 'command',
  id: 'p',
  command: { name: 'promote', other_is_dead: true },
} as const;

describe('bugs that the simulator found', () => {
  it('1: a server that ended is not started again after the deadline', () => {
    const cluster = serving();
    cluster.machine('a').timers.clear(); // The agent is stopped: nothing rings.
    cluster.run(6000);
    const mark = cluster.trace.length;
    cluster.give('a', { kind: 'server_exited', epoch: 1, detail: 'killed' });
    expect(since(cluster, mark)).not.toContain('step start_server');
    expect(since(cluster, mark)).toContain('fence epoch 1');
  });

  it('3: the role is not moved to a voter that may not ask yet', () => {
    const cluster = serving();
    cluster.powerOff('b');
    cluster.run(3000);
    cluster.boot('b');
    cluster.run(1000);
    cluster.give('a', move('b'));
    expect(cluster.trace.at(-1)).toContain('reply 7 false b has just started');
    cluster.run(10_000);
    cluster.give('a', move('b'));
    cluster.run(5000);
    expect(cluster.serving()).toEqual(['b']);
  });

  it('3: whoever is not named waits, also when its own silence ends just then', () => {
    const cluster = serving();
    cluster.setDatastore('b', { lineageEpoch: 1, revision: 500, clean: true, source: 'replica' });
    cluster.passes = (from, to) => from === 'a' || to === 'a';
    cluster.boot('c');
    cluster.run(7500);
    cluster.give('a', move('b'));
    // The named one is slow: it hears of it when the silence of c is over.
    cluster.holds = (_from, to, message) => to === 'b' && message.kind === 'release';
    cluster.run(1000);
    expect(cluster.view('c').phase).not.toBe('silent');
    expect(cluster.view('c').phase).not.toBe('promoting');
  });

  it('4: a holder without a vote is renewed by both of two voters', () => {
    const list = { epoch: 1, number: 1, members: ['a', 'b'], previous: [], committed: true };
    expect(hasRenewalQuorum(list, new Set(['a', 'b']), 'e')).toBe(true);
    expect(hasRenewalQuorum(list, new Set(['a']), 'e')).toBe(false);
    expect(hasRenewalQuorum(list, new Set(['a']), 'a')).toBe(true);
  });

  it('4: and so it keeps the role', () => {
    const cluster = new CoreCluster({
      a: { eligible: false },
      b: { eligible: false },
      e: { voter: false },
    });
    cluster.boot('a', 'b', 'e');
    cluster.run(60_000);
    expect(cluster.serving()).toEqual(['e']);
    expect(cluster.view('e').epoch).toBe(1);
  });

  it('5: a candidate waits for the answer of a better replica before it proposes', () => {
    const cluster = serving({ a: {}, b: {}, c: {}, d: {}, e: {} });
    const rows = { lineageEpoch: 1, clean: true, source: 'replica' } as const;
    cluster.setDatastore('b', { ...rows, revision: 20 });
    cluster.setDatastore('c', { ...rows, revision: 90 });
    cluster.run(3000);
    cluster.powerOff('a');
    // The best one is busy: it does not ask by itself, and its answers come late.
    cluster.machine('c').timers.clear();
    cluster.holds = (from, _to, message) => from === 'c' && message.kind === 'promise';
    for (let passed = 0; passed < 9000; passed += 50) {
      cluster.run(50);
      const late = cluster.held.splice(0);
      for (const { from, to, message } of late) cluster.deliver(from, to, message);
    }
    expect(cluster.trace.join('\n')).toContain('c holds a better replica: yields to it once');
  });

  it('8: a list of one is void on contact with whoever was promoted by force', () => {
    const cluster = leftAlone();
    cluster.boot('b');
    cluster.run(9000);
    cluster.give('b', promote);
    cluster.run(10_000);
    expect(cluster.serving()).toEqual(['b']);
    cluster.boot('a');
    cluster.run(3000); // It hears of the other, and is cut off before it is taken in as a voter.
    cluster.passes = () => false;
    cluster.run(60_000);
    expect(cluster.serving()).toEqual(['b']);
  });

  it('14: a server that ends while it is checked is not taken for serving', () => {
    const cluster = new CoreCluster({ a: {}, b: {}, c: {} });
    cluster.boot('a', 'b', 'c');
    while (!cluster.steps('a').includes('check_ready')) cluster.run(10);
    cluster.machine('a').server = false;
    cluster.give('a', { kind: 'server_exited', epoch: 1, detail: 'killed' });
    expect(cluster.trace.join('\n')).toContain('gives the role back: the server ended');
    cluster.run(1000);
    expect(cluster.view('a').phase).not.toBe('serving');
  });

  it('20: a promotion by force that could not be written is tried again', () => {
    const cluster = serving({ a: {}, b: {} });
    cluster.powerOff('a');
    cluster.run(20_000);
    cluster.give('b', promote);
    cluster.failPersist = 'b';
    cluster.run(5000);
    expect(cluster.view('b').list?.members).toContain('a');
    cluster.failPersist = null;
    cluster.run(6000);
    expect(cluster.serving()).toEqual(['b']);
  });

  it('20: and a server that was stopped is not kept in the role', () => {
    const cluster = serving();
    cluster.failPersist = 'a';
    cluster.passes = () => false;
    cluster.run(6000);
    const mark = cluster.trace.length;
    cluster.failPersist = null;
    cluster.passes = () => true;
    cluster.run(1500);
    expect(since(cluster, mark)).toContain('a fences itself, epoch 1');
  });

  it('21: two lists of one meet before either wins, when both come back together', () => {
    const cluster = leftAlone();
    cluster.boot('b');
    cluster.run(9000);
    cluster.give('b', promote);
    cluster.run(10_000);
    expect(cluster.serving()).toEqual(['b']);
    cluster.powerOff('b');
    const mark = cluster.trace.length;
    cluster.boot('a', 'b');
    cluster.run(60_000);
    expect(since(cluster, mark)).toContain('a learns from b that b was promoted without it');
    expect(since(cluster, mark)).not.toContain('a won the lease');
    expect(cluster.serving()).toEqual(['b']);
  });

  it('21: a node that is heard is not taken for dead', () => {
    const cluster = leftAlone();
    cluster.boot('b');
    cluster.give('b', promote);
    cluster.run(4000);
    cluster.boot('a');
    cluster.run(60_000);
    expect(cluster.trace.join('\n')).toContain('b is not promoted alone after all: a lives');
    expect(cluster.serving()).toEqual(['a']);
  });

  it('37: a voter that lost the election for an epoch does not end the winner’s tenure', () => {
    const cluster = serving();
    const { disk } = cluster.machine('b').state;
    if (disk === null) throw new TypeError('b has a record');
    // It asked at the same moment, and its own voter was the only one that accepted it.
    const lost = { ...disk, epoch_owner: 'b' };
    cluster.machine('b').state = { ...cluster.machine('b').state, disk: lost };
    cluster.machine('b').disk = lost;
    const mark = cluster.trace.length;
    cluster.run(10_000);
    expect(since(cluster, mark)).not.toContain('fences itself');
    expect(cluster.view('a').epoch).toBe(1);
    expect(cluster.machine('b').disk?.epoch_owner).toBe('a');
    cluster.powerOff('c');
    cluster.run(20_000);
    expect(cluster.serving()).toEqual(['a']);
    expect(cluster.view('a').epoch).toBe(1);
  });

  it('38: what was told a moment ago counts when the operator founds', () => {
    const cluster = serving();
    cluster.powerOff('a', 'b', 'c');
    cluster.machine('b').disk = null;
    cluster.boot('b');
    cluster.run(8200);
    const told = { kind: 'learned', answer: 'record', highest_epoch: 5, epoch_owner: 'a' } as const;
    const { learning } = cluster.machine('b').state;
    if (learning === null) throw new TypeError('b learns');
    const message = { ...told, request: learning.request, list: null };
    cluster.give('b', { kind: 'message', from: 'a', message });
    // The next request comes, and a is gone.
    cluster.run(1500);
    cluster.give('b', { kind: 'command', id: 'f', command: { name: 'found' } });
    expect(cluster.machine('b').disk).toMatchObject({ highest_epoch: 5, epoch_owner: 'a' });
  });

  it('39: who holds rows that nobody else has does not give them up for one failed step', () => {
    const cluster = serving();
    cluster.setDatastore('b', { lineageEpoch: 1, revision: 90, clean: true, source: 'replica' });
    cluster.setDatastore('c', { lineageEpoch: 1, revision: 99, clean: true, source: 'replica' });
    cluster.run(3000);
    cluster.powerOff('a');
    cluster.failing.add('c install_datastore');
    const failedOnce = () => cluster.trace.join().includes('nobody else has its revisions');
    for (let waited = 0; waited < 10_000 && !failedOnce(); waited += 10) cluster.run(10);
    cluster.failing.clear();
    cluster.run(3000);
    expect(cluster.serving()).toEqual(['c']);
    expect(cluster.trace.join('\n')).not.toContain('gives the role back');
  });

  it('39: nor keeps the cluster without a server for them', () => {
    const cluster = serving();
    cluster.setDatastore('b', { lineageEpoch: 1, revision: 90, clean: true, source: 'replica' });
    cluster.setDatastore('c', { lineageEpoch: 1, revision: 99, clean: true, source: 'replica' });
    cluster.run(3000);
    cluster.powerOff('a');
    cluster.failing.add('c start_server');
    cluster.run(20_000);
    const tries = cluster.trace.filter((line) => line.includes('nobody else has its revisions'));
    expect(tries).toHaveLength(3);
    expect(cluster.serving()).toEqual(['b']);
  });

  /** The server stops for 3 s, and in that time the successor is switched off and on again. */
  const withRestartedSuccessor = (event: AgentEvent): CoreCluster => {
    const cluster = serving();
    cluster.stepTakes = 3000;
    cluster.give('a', event);
    cluster.powerOff('b');
    cluster.boot('b');
    cluster.run(4000);
    cluster.stepTakes = 50;
    return cluster;
  };

  it('40: a successor that restarted meanwhile does not get the role at a shutdown', () => {
    const cluster = withRestartedSuccessor({ kind: 'stopping', why: 'shutdown' });
    cluster.run(4000);
    expect(cluster.trace.join('\n')).toContain('a released epoch 1 to c.');
    expect(cluster.serving()).toEqual(['c']);
  });

  it('40: nor that of a planned move', () => {
    const cluster = withRestartedSuccessor(move('b'));
    cluster.run(4000);
    expect(cluster.trace.join('\n')).toContain(
      'reply 7 false b may not ask any more; still master',
    );
    expect(cluster.serving()).toEqual(['a']);
  });

  it.each([
    ['before', -3000],
    ['with', 0],
    ['after', 4000],
  ])(
    '41: after a power cut of all, a master that boots %s the others serves again',
    (_word, late) => {
      const cluster = serving();
      cluster.powerOff('a', 'b', 'c');
      const saved = { lineageEpoch: 1, revision: 5, clean: true, source: 'replica' } as const;
      for (const node of ['b', 'c']) cluster.setDatastore(node, saved);
      const mark = cluster.trace.length;
      if (late < 0) cluster.boot('a');
      else cluster.boot('b', 'c');
      cluster.run(Math.abs(late));
      if (late < 0) cluster.boot('b', 'c');
      else cluster.boot('a');
      // Its answers are the last to arrive: those of the others are a majority.
      cluster.holds = (from, _to, { kind }) =>
        from === 'a' && (kind === 'promise' || kind === 'refuse');
      for (let passed = 0; passed < 30_000; passed += 50) {
        cluster.run(50);
        for (const { from, to, message } of cluster.held.splice(0))
          cluster.deliver(from, to, message);
      }
      expect(cluster.serving()).toEqual(['a']);
      expect(since(cluster, mark)).not.toContain('b won the lease');
      expect(since(cluster, mark)).not.toContain('c won the lease');
    },
  );

  it('43: a planned move to a node that sits out is carried out', () => {
    const cluster = serving();
    cluster.failing.add('b install_datastore');
    cluster.give('a', move('b'));
    cluster.run(3000);
    expect(cluster.view('b').phase).toBe('following');
    expect(cluster.serving()).not.toContain('b');
    cluster.failing.clear();
    cluster.give(cluster.serving()[0] ?? '', move('b'));
    cluster.run(3000);
    expect(cluster.serving()).toEqual(['b']);
  });

  it.each([
    ['stood for election', 1],
    ['began to serve', 2],
  ])('44: others remember how far the last master was when it %s', (_word, lineageEpoch) => {
    const cluster = serving({ a: {}, b: {}, w: { eligible: false } });
    for (const node of ['a', 'b']) {
      cluster.setDatastore(node, { lineageEpoch: 1, revision: 5, clean: true, source: 'replica' });
    }
    cluster.powerOff('a');
    while (!since(cluster, 0).includes('b won the lease')) cluster.run(5);
    if (lineageEpoch === 2) {
      cluster.run(500);
      cluster.setDatastore('b', { lineageEpoch, revision: 40, clean: true, source: 'server' });
      cluster.run(2000);
    }
    cluster.setDatastore('a', { lineageEpoch, revision: 40, clean: true, source: 'replica' });
    cluster.powerOff('b');
    cluster.setDatastore('b', { lineageEpoch: 2, revision: 90, clean: false, source: 'server' });
    cluster.machine('a').disk = null;
    const mark = cluster.trace.length;
    cluster.run(500);
    cluster.boot('a');
    cluster.run(3000);
    cluster.boot('b');
    // Its first answer is lost, the others are the last to arrive; w, which kept running, remembers
    // what b said as candidate.
    cluster.holds = (from, _to, { kind }) =>
      from === 'b' && (kind === 'promise' || kind === 'refuse');
    let isFirst = true;
    for (let passed = 0; passed < 30_000; passed += 50) {
      cluster.run(50);
      for (const { from, to, message } of cluster.held.splice(0)) {
        if (isFirst && message.kind === 'refuse') isFirst = false;
        else cluster.deliver(from, to, message);
      }
    }
    expect(since(cluster, mark)).not.toContain('a won the lease');
    expect(cluster.serving()).toEqual(['b']);
  });

  it.each([
    ['serves again', false],
    ['is heard, and has lost its card', true],
  ])('45: a wait at a cold start ends for good when the last owner %s', (_word, isWiped) => {
    const cluster = serving();
    cluster.powerOff('a', 'b', 'c');
    for (const node of ['a', 'b', 'c']) {
      cluster.setDatastore(node, { lineageEpoch: 1, revision: 5, clean: true, source: 'replica' });
    }
    cluster.boot('b', 'c');
    cluster.run(20_000);
    expect(cluster.serving()).toEqual([]);
    if (isWiped) {
      cluster.machine('a').disk = null;
      cluster.setDatastore('a', { lineageEpoch: 0, revision: 0, clean: true, source: 'none' });
    }
    cluster.boot('a');
    cluster.run(20_000);
    expect(cluster.serving()).toHaveLength(1);
    const [first = ''] = cluster.serving();
    expect(first === 'a').toBe(!isWiped);
    cluster.powerOff(first);
    cluster.run(20_000);
    expect(cluster.serving()).toHaveLength(1);
  });

  it.each([
    ['is started again', 0],
    ['is given up when the lease has run out', 6000],
  ])('46: a server that ended while its agent could not start %s', (_word, late) => {
    const cluster = serving();
    cluster.failPersist = 'a';
    const { state: before } = cluster.machine('a');
    cluster.startProcess('a');
    expect(cluster.machine('a').state.started).toBe(false);
    expect(cluster.trace.at(-1)).toContain('could not write');
    const { run, disk, datastore } = cluster.machine('a');
    cluster.machine('a').server = false;
    cluster.give('a', { kind: 'server_exited', epoch: 0, detail: 'killed' });
    cluster.failPersist = null;
    const mark = cluster.trace.length;
    cluster.now += late;
    const { bootId, nonce } = before;
    const wall = { time: wallTime(1_800_000_000_000), synchronised: true };
    const facts = { bootId, nonce, run, disk, datastore, serverRunning: true, wall };
    cluster.give('a', { kind: 'started', facts });
    const restarts = since(cluster, mark).includes('step start_server epoch 1');
    expect(restarts).toBe(late === 0);
    expect(since(cluster, mark).includes('fence epoch 1')).toBe(late > 0);
    cluster.run(late === 0 ? 1000 : 20_000);
    expect(cluster.serving()).toHaveLength(1);
  });

  it.each([
    ['during its silence', 50],
    ['after its silence', 9000],
  ])('61: the word of a clean end, heard %s, vouches for no older replica', (_when, late) => {
    const cluster = serving({ a: {}, b: {}, w: { eligible: false } });
    const { held } = cluster;
    cluster.holds = (from, to, { kind }) =>
      from === 'a' && to === 'b' && (kind === 'announce' || kind === 'release');
    cluster.run(4000);
    cluster.give('a', move('b'));
    const isReleased = (): boolean => held.some(({ message }) => message.kind === 'release');
    for (let ms = 0; ms < 5000 && !isReleased(); ms += 1) cluster.run(1);
    cluster.powerOff('a', 'b');
    const revision = cluster.machine('a').datastore.revision - 1;
    cluster.setDatastore('b', { lineageEpoch: 1, revision, clean: true, source: 'replica' });
    cluster.passes = () => false; // Nobody is asked before the late words are there.
    cluster.boot('b');
    cluster.run(late);
    for (const { from, to, message } of held.splice(0)) cluster.deliver(from, to, message);
    cluster.run(10);
    expect(cluster.machine('b').state.run.handed).toEqual({ epoch: 1, revision: revision + 1 });
    cluster.passes = () => true;
    const mark = cluster.trace.length;
    cluster.run(60_000);
    expect(since(cluster, mark)).toContain('b   step install_datastore epoch 2 raise true');
  });

  it('62: a node without a vote hears of a last owner that has nothing to stand with', () => {
    const cluster = serving({ a: {}, b: {}, c: { voter: false } });
    const rows = { lineageEpoch: 1, revision: 5, clean: true, source: 'replica' } as const;
    const none = { lineageEpoch: 0, revision: 0, clean: true, source: 'none' } as const;
    cluster.powerOff('a', 'b', 'c');
    cluster.setDatastore('a', none);
    cluster.setDatastore('b', none);
    cluster.setDatastore('c', rows);
    cluster.boot('a', 'b', 'c');
    cluster.run(40_000);
    expect(cluster.serving()).toEqual(['c']);
  });

  it('65: a tenure that others saw ends the vacancy for whoever missed it', () => {
    const cluster = serving({ a: {}, b: {}, c: {}, d: {}, w: { eligible: false } });
    const rows = { lineageEpoch: 1, clean: true, source: 'replica' } as const;
    cluster.setDatastore('b', { ...rows, revision: 90 });
    cluster.setDatastore('c', { ...rows, revision: 80 });
    cluster.setDatastore('d', { ...rows, revision: 70 });
    const until = (there: () => boolean): void => {
      for (let ms = 0; ms < 40_000 && !there(); ms += 1) cluster.run(1);
      expect(there()).toBe(true);
    };
    const hasYielded = (): boolean => cluster.machine('d').state.run.yield_until > 0;
    const asksAlone = (node: string) => (from: string, _to: string, message: LeaseMessage) =>
      message.kind !== 'prepare' || from === node;
    cluster.passes = asksAlone('d');
    cluster.powerOff('a');
    until(hasYielded);
    // It is cut off while b becomes master, whose power goes before it has written a row.
    cluster.passes = (from, to) => from !== 'd' && to !== 'd';
    until(() => cluster.machine('c').state.leader?.master === 'b');
    cluster.powerOff('b');
    cluster.passes = asksAlone('d');
    until(() => !hasYielded());
    until(hasYielded);
    cluster.passes = () => true;
    cluster.run(10_000);
    expect(cluster.serving()).toEqual(['c']);
  });
});
