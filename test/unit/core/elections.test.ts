/** L2–L9, L13 and L14 on a friendly network: who becomes master, when, and with which steps. */
import { describe, expect, it } from 'vitest';
import { CoreCluster, since } from '../../golden/core-cluster.ts';

const three = { a: {}, b: {}, c: {} };

function started(nodes: Record<string, object> = three): CoreCluster {
  const cluster = new CoreCluster(nodes);
  cluster.boot(...Object.keys(nodes));
  cluster.run(12_000);
  return cluster;
}

describe('a first start', () => {
  it('founds the cluster and elects one master after the silence (L2, L9)', () => {
    const cluster = new CoreCluster(three);
    cluster.boot('a', 'b', 'c');
    cluster.run(7900);
    expect(cluster.serving()).toEqual([]);
    cluster.run(3000);
    expect(cluster.serving()).toEqual(['a']);
    expect(cluster.view('a')).toMatchObject({ role: 'master', phase: 'serving', epoch: 1 });
    expect(cluster.view('b')).toMatchObject({ role: 'receiver', phase: 'following', master: 'a' });
    expect(cluster.steps('a')).toEqual([
      'stop_agent_unit',
      'install_datastore',
      'install_archive',
      'start_server',
      'check_ready',
    ]);
    expect(cluster.trace.join('\n')).toContain('install_datastore epoch 1 raise false from none');
  });

  it('founds although its voters start, and so end their silence, one after the other (L9)', () => {
    const cluster = new CoreCluster(three);
    for (const node of ['a', 'b', 'c']) {
      cluster.boot(node);
      cluster.run(2500);
    }
    cluster.run(12_000);
    expect(cluster.serving()).toHaveLength(1);
  });

  it('does not found beside a founding record of a voter that it never knew without one', () => {
    const cluster = new CoreCluster(three);
    cluster.boot('a', 'b');
    cluster.run(9000);
    cluster.give('b', { kind: 'command', id: '1', command: { name: 'found' } });
    cluster.boot('a', 'c');
    cluster.run(60_000);
    expect(cluster.serving()).toEqual([]);
    expect(cluster.view('a')).toMatchObject({ phase: 'learning' });
  });

  it('waits as long as one configured voter has never answered (L9, founding)', () => {
    const cluster = new CoreCluster(three);
    cluster.boot('a', 'b');
    cluster.run(60_000);
    expect(cluster.serving()).toEqual([]);
    cluster.give('a', { kind: 'command', id: '1', command: { name: 'found' } });
    cluster.run(5000);
    expect(cluster.serving()).toEqual([]);
    cluster.give('b', { kind: 'command', id: '2', command: { name: 'found' } });
    cluster.run(8000);
    expect(cluster.serving()).toHaveLength(1);
  });

  it('one node alone becomes master', () => {
    const cluster = started({ a: {} });
    expect(cluster.serving()).toEqual(['a']);
    cluster.run(120_000);
    expect(cluster.view('a')).toMatchObject({ role: 'master', epoch: 1 });
  });
});

describe('a master that lives', () => {
  it('keeps the role, epoch and voters for an hour', () => {
    const cluster = started();
    cluster.run(3_600_000);
    expect(cluster.serving()).toEqual(['a']);
    expect(cluster.view('a').epoch).toBe(1);
    expect(cluster.trace.filter((line) => line.includes('asks for'))).toHaveLength(1);
  });

  it('goes on over a restart of its agent: no silence, no step, no new epoch', () => {
    const cluster = started();
    const steps = cluster.steps('a').length;
    cluster.machine('a').up = false;
    cluster.machine('a').timers.clear();
    cluster.run(2000);
    cluster.startProcess('a');
    cluster.run(30_000);
    expect(cluster.serving()).toEqual(['a']);
    expect(cluster.view('a')).toMatchObject({ role: 'master', phase: 'serving', epoch: 1 });
    expect(cluster.steps('a')).toHaveLength(steps);
  });

  it('fences itself when nobody answers any more, before the others may win', () => {
    const cluster = started();
    cluster.passes = (from, to) => from !== 'a' && to !== 'a';
    cluster.run(5100);
    expect(cluster.serving()).toEqual([]);
    expect(cluster.view('a').role).not.toBe('master');
    cluster.run(6000);
    expect(cluster.serving()).toEqual(['b']);
    expect(cluster.view('b').epoch).toBe(2);
  });

  it('restarts a crashed server on the spot, then gives the role away', () => {
    const cluster = started();
    cluster.machine('a').server = false;
    cluster.give('a', { kind: 'server_exited', epoch: 1, detail: 'signal SIGSEGV' });
    cluster.run(1000);
    expect(cluster.serving()).toEqual(['a']);
    cluster.failing.add('a start_server');
    cluster.give('a', { kind: 'server_exited', epoch: 1, detail: 'signal SIGSEGV' });
    cluster.run(5000);
    expect(cluster.serving()).toEqual(['b']);
    expect(cluster.view('a').master).toBe('b');
  });
});

describe('the death of the master', () => {
  it('is followed by the best receiver, with the raise', () => {
    const cluster = started();
    cluster.setDatastore('b', { lineageEpoch: 1, revision: 90, clean: true, source: 'replica' });
    cluster.setDatastore('c', { lineageEpoch: 1, revision: 95, clean: true, source: 'replica' });
    cluster.run(5000);
    cluster.powerOff('a');
    cluster.run(12_000);
    expect(cluster.serving()).toEqual(['c']);
    expect(cluster.trace.join('\n')).toContain('install_datastore epoch 2 raise true from replica');
  });

  it('and a failing promotion lets the next one try', () => {
    const cluster = started();
    cluster.failing.add('b install_datastore');
    cluster.powerOff('a');
    cluster.run(15_000);
    expect(cluster.serving()).toEqual(['c']);
    expect(cluster.view('c').epoch).toBe(3);
    expect(cluster.view('b')).toMatchObject({ role: 'receiver', master: 'c' });
  });

  it('a full disk at the epoch write promises nothing and loses nothing', () => {
    const cluster = started();
    cluster.failPersist = 'b';
    cluster.powerOff('a');
    cluster.run(15_000);
    expect(cluster.serving()).toEqual([]);
    cluster.failPersist = null;
    cluster.run(15_000);
    expect(cluster.serving()).toHaveLength(1);
  });
});

describe('an orderly move', () => {
  it('loses nothing and needs no raise (L8, L13)', () => {
    const cluster = started();
    const facts = cluster.machine('a').datastore;
    cluster.setDatastore('b', { ...facts, source: 'replica' });
    cluster.give('a', { kind: 'command', id: 'm', command: { name: 'move', to: 'b' } });
    cluster.run(1500);
    expect(cluster.serving()).toEqual(['b']);
    expect(cluster.trace.join('\n')).toContain('install_datastore epoch 2 raise false');
    expect(cluster.trace.join('\n')).toContain('reply m true');
  });

  it('goes to the named node, although it looks behind by what was told before (L13)', () => {
    const cluster = started();
    const facts = cluster.machine('a').datastore;
    cluster.setDatastore('b', { ...facts, source: 'replica' });
    cluster.run(1600);
    cluster.passes = (from, _to, message) => from !== 'a' || message.kind !== 'promise';
    cluster.give('a', { kind: 'command', id: 'm', command: { name: 'move', to: 'b' } });
    cluster.run(20);
    // The last revision: b has acknowledged it, but its core hears of it later than of c.
    cluster.setDatastore('c', { ...facts, revision: facts.revision + 5, source: 'replica' });
    cluster.run(1500);
    expect(cluster.serving()).toEqual(['b']);
    expect(cluster.trace.join('\n')).not.toContain('yields');
  });

  it('names the successor before it says that the server has stopped', () => {
    // The other way round, a third node that believes to be ahead asks in between.
    const cluster = started();
    const heard: string[] = [];
    cluster.passes = (from, to, message) => {
      if (from === 'a' && to === 'c') {
        if (message.kind === 'release') heard.push(`released to ${message.successor}`);
        if (message.kind === 'announce') heard.push(message.stage);
      }
      return true;
    };
    cluster.give('a', { kind: 'command', id: 'm', command: { name: 'move', to: 'b' } });
    cluster.run(1500);
    expect(heard.slice(-2)).toEqual(['released to b', 'stopped']);
  });

  it('puts the old master back when the last revisions can’t be sent', () => {
    const cluster = started();
    cluster.failing.add('a send_last_revisions');
    cluster.give('a', { kind: 'command', id: 'm', command: { name: 'move', to: 'b' } });
    cluster.run(3000);
    expect(cluster.serving()).toEqual(['a']);
    expect(cluster.view('a').epoch).toBe(1);
    expect(cluster.trace.join('\n')).toContain('reply m false');
  });

  it('a node that is switched off in order leaves the voters first (L10)', () => {
    const cluster = started();
    cluster.give('c', { kind: 'stopping', why: 'shutdown' });
    cluster.run(5000);
    expect(cluster.view('a').list).toMatchObject({ members: ['a', 'b'], committed: true });
    expect(cluster.trace.join('\n')).toContain('reply shutdown true');
    cluster.powerOff('c');
    cluster.give('b', { kind: 'stopping', why: 'shutdown' });
    cluster.run(5000);
    cluster.powerOff('b');
    cluster.run(60_000);
    expect(cluster.serving()).toEqual(['a']);
    expect(cluster.view('a').list?.members).toEqual(['a']);
    cluster.boot('b', 'c');
    cluster.run(40_000);
    expect(cluster.view('a').list?.members.toSorted()).toEqual(['a', 'b', 'c']);
  });

  it('a voter that was away for very long is taken in once, and stays (71)', () => {
    const cluster = started();
    cluster.powerOff('c');
    cluster.run(902_000);
    expect(cluster.view('a').list?.members).toEqual(['a', 'b']);
    cluster.boot('c');
    const mark = cluster.trace.length;
    cluster.run(60_000);
    const lines = since(cluster, mark);
    expect(cluster.view('a').list?.members).toEqual(['a', 'b', 'c']);
    expect(lines.split('takes c in').length - 1).toBe(1);
    expect(lines).not.toContain('silent too long');
  });
});

describe('two voters', () => {
  it('pin the master: the receiver’s death does not fence it (L11)', () => {
    const cluster = started({ a: {}, b: {} });
    cluster.powerOff('b');
    cluster.run(120_000);
    expect(cluster.serving()).toEqual(['a']);
  });

  it('never promote one alone, but the operator’s word does (L12)', () => {
    const cluster = started({ a: {}, b: {} });
    cluster.powerOff('a');
    cluster.run(120_000);
    expect(cluster.serving()).toEqual([]);
    cluster.give('b', {
      kind: 'command',
      id: 'p',
      command: { name: 'promote', other_is_dead: true },
    });
    cluster.run(3000);
    expect(cluster.serving()).toEqual(['b']);
    cluster.boot('a');
    cluster.run(60_000);
    expect(cluster.serving()).toEqual(['b']);
    expect(cluster.view('a').master).toBe('b');
    expect(cluster.view('b').list?.members.toSorted()).toEqual(['a', 'b']);
  });

  it('never takes an epoch that the other took alone while this one was off (L12)', () => {
    const cluster = started({ a: {}, b: {} });
    const promote = (node: string) =>
      cluster.give(node, {
        kind: 'command',
        id: node,
        command: { name: 'promote', other_is_dead: true },
      });
    cluster.powerOff('a');
    cluster.run(10_000);
    promote('b');
    cluster.run(10_000);
    const first = cluster.view('b').epoch;
    cluster.powerOff('b');
    cluster.boot('a');
    promote('a');
    cluster.run(20_000);
    expect(cluster.serving()).toEqual(['a']);
    expect(cluster.view('a').epoch).not.toBe(first);
    cluster.boot('b');
    cluster.run(60_000);
    expect(cluster.serving()).toHaveLength(1);
  });
});

describe('a cold start', () => {
  it('waits for the last owner, who starts without the raise (L13, L14)', () => {
    const cluster = started();
    cluster.powerOff('a', 'b', 'c');
    cluster.boot('b', 'c');
    cluster.run(100_000);
    expect(cluster.serving()).toEqual([]);
    cluster.boot('a');
    cluster.run(30_000);
    expect(cluster.serving()).toEqual(['a']);
    expect(cluster.trace.join('\n')).toContain('install_datastore epoch 2 raise false from server');
  });

  it('goes on without it after the wait', () => {
    const cluster = started();
    cluster.powerOff('a', 'b', 'c');
    cluster.boot('b', 'c');
    cluster.run(320_000);
    expect(cluster.serving()).toHaveLength(1);
  });
});

describe('two candidates that meet', () => {
  it('do not both put themselves first while writes flow (L14)', () => {
    const cluster = started();
    const row = (revision: number) =>
      ({ lineageEpoch: 1, revision, clean: true, source: 'replica' }) as const;
    for (let write = 1; write <= 60; write += 1) {
      for (const node of ['b', 'c']) cluster.setDatastore(node, row(100 + write));
      cluster.run(50);
    }
    cluster.powerOff('a');
    let asking = 0;
    for (let ms = 0; ms < 9000; ms += 1) {
      cluster.run(1);
      const phases = ['b', 'c'].map((node) => cluster.view(node).phase);
      asking = Math.max(asking, phases.filter((phase) => phase === 'asking').length);
    }
    expect({ asking, serving: cluster.serving().length }).toEqual({ asking: 1, serving: 1 });
  });

  it('part without waiting for the dead master to answer (L3, L8)', () => {
    const cluster = started();
    cluster.powerOff('a');
    while (cluster.view('b').phase !== 'asking') cluster.run(1);
    cluster.run(12);
    cluster.give('c', { kind: 'timer', timer: 'candidate' });
    const asked = [cluster.view('b').phase, cluster.view('c').phase];
    cluster.run(700);
    const roles = [cluster.view('b').role, cluster.view('c').role];
    expect({ asked, masters: roles.filter((role) => role === 'master').length }).toEqual({
      asked: ['asking', 'asking'],
      masters: 1,
    });
  });
});
