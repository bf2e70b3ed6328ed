/** To whom a holder gives its role when its machine is switched off in order (DESIGN section 5). */
import { describe, expect, it } from 'vitest';
import { CoreCluster, move, servingCluster, since } from '../../golden/core-cluster.ts';

const shutdown = { kind: 'stopping', why: 'shutdown' } as const;
const five = { a: {}, b: {}, c: {}, d: {}, e: {} };

function until(cluster: CoreCluster, there: () => boolean): void {
  for (let ms = 0; ms < 40_000 && !there(); ms += 1) cluster.run(1);
  expect(there()).toBe(true);
}

const told = (cluster: CoreCluster): string => cluster.trace.join('\n');

/**
 * The power goes when the agent has left, or some time after its role (wiring/ending.ts). The
 * stream carries to `receivers` meanwhile, silent or not.
 */
function switchOff(cluster: CoreCluster, name: string, ...receivers: string[]): void {
  const mark = cluster.trace.length;
  const left = (): boolean => since(cluster, mark).includes(`${name}   reply shutdown true`);
  const pass = (ms: number): void => {
    if (ms % 1000 === 0) {
      for (const receiver of receivers) {
        const event = { kind: 'acknowledged', receiver, lineageEpoch: 1, revision: 10 } as const;
        cluster.give(name, event);
      }
    }
    cluster.run(1);
  };
  pass(0);
  cluster.give(name, shutdown);
  for (let ms = 1; ms < 30_000 && !left() && cluster.view(name).role === 'master'; ms += 1)
    pass(ms);
  for (let ms = 0; ms < 4000 && !left(); ms += 1) cluster.run(1);
  cluster.powerOff(name);
}

/** a is being switched off; b, the only receiver, is silent after its start. */
function waiting(): CoreCluster {
  const cluster = servingCluster({ a: {}, b: {}, w: { eligible: false } });
  cluster.powerOff('b');
  cluster.run(1000);
  cluster.boot('b');
  cluster.run(3000);
  cluster.give('a', shutdown);
  return cluster;
}

describe('a holder that is switched off', () => {
  it('hands over to who has just granted its lease, before any renewal (66)', () => {
    const cluster = new CoreCluster({ a: {}, b: {}, c: {} });
    cluster.boot('a', 'b');
    cluster.run(2000);
    cluster.boot('c');
    until(cluster, () => cluster.serving().length > 0);
    cluster.give('a', shutdown);
    // Its server has stopped at once; c is silent still.
    expect(told(cluster)).toContain('hands the role over to b (shutdown)');
    cluster.run(5000);
    expect(cluster.serving()).toEqual(['b']);
  });

  it('serves on until a receiver that is silent after its start may ask (66)', () => {
    const cluster = waiting();
    cluster.run(3000);
    expect(cluster.serving()).toEqual(['a']);
    until(cluster, () => told(cluster).includes('released epoch 1 to b'));
    cluster.run(1000);
    expect(cluster.serving()).toEqual(['b']);
    expect(told(cluster)).not.toContain('raise true');
  });

  it('waits for nobody who is not there (66)', () => {
    const cluster = servingCluster({ a: {}, b: {}, w: { eligible: false } });
    cluster.powerOff('b');
    cluster.run(7000);
    cluster.give('a', shutdown);
    expect(told(cluster)).toContain('hands the role over to nobody (shutdown)');
  });

  it('waits for no longer than a silence and five rounds (66)', () => {
    const cluster = servingCluster({ a: {}, b: {}, w: { eligible: false } });
    // It is there, and never answers a round.
    cluster.passes = (from, to, { kind }) =>
      from !== 'b' || to !== 'a' || !['promise', 'accept'].includes(kind);
    cluster.holds = (_from, to, { kind }) => to === 'b' && kind === 'propose';
    cluster.run(6000);
    const mark = cluster.trace.length;
    cluster.give('a', shutdown);
    const chatter = { kind: 'learn', request: 'b:1' } as const;
    for (let ms = 0; ms < 17_000; ms += 1000) {
      cluster.deliver('b', 'a', chatter);
      cluster.run(1000);
    }
    expect(since(cluster, mark)).toContain('hands the role over to nobody (shutdown)');
  });

  it('looks again for a receiver once its server has stopped (66)', () => {
    const cluster = servingCluster({ a: {}, b: {}, w: { eligible: false } });
    cluster.powerOff('b');
    cluster.run(6000);
    cluster.boot('b');
    cluster.run(1000);
    cluster.stepTakes = 12_000;
    // While its server starts again nobody is waited for.
    cluster.give('a', { kind: 'server_exited', epoch: 1, detail: 'killed' });
    cluster.give('a', shutdown);
    expect(told(cluster)).toContain('hands the role over to nobody (shutdown)');
    cluster.run(30_000);
    expect(told(cluster)).toContain('released epoch 1 to b');
  });

  it.each([0, 100, 2000])('passes over whoever leaves, %s ms after that began (67)', (later) => {
    const cluster = servingCluster(five);
    cluster.setDatastore('b', { lineageEpoch: 1, revision: 500, clean: true, source: 'replica' });
    cluster.run(3000);
    cluster.give('b', shutdown);
    cluster.run(later);
    cluster.give('a', shutdown);
    cluster.run(4000);
    expect(told(cluster)).toContain('released epoch 1 to c');
    expect(cluster.serving()).toEqual(['c']);
  });

  it('is not moved to whoever leaves (67)', () => {
    const cluster = servingCluster(five);
    cluster.give('b', shutdown);
    cluster.run(100);
    cluster.give('a', move('b'));
    expect(cluster.trace.at(-1)).toContain('reply 7 false b has just started or is leaving');
    cluster.run(3000);
    cluster.give('a', move('b'));
    expect(cluster.trace.at(-1)).toContain('reply 7 false');
    expect(cluster.serving()).toEqual(['a']);
  });

  const sooner = [0, 500, 1000, 1500, 2000, 4000, 7800];
  it.each(sooner)(
    'takes in who returned %s ms ago, for its list is itself alone (68)',
    (earlier) => {
      const cluster = servingCluster({ a: {}, b: {}, c: {} });
      switchOff(cluster, 'b');
      switchOff(cluster, 'c');
      cluster.run(10_000);
      expect(cluster.view('a').list?.members).toEqual(['a']);
      cluster.boot('b', 'c');
      cluster.run(earlier);
      cluster.stepTakes = 3000;
      switchOff(cluster, 'a', 'b', 'c');
      expect(told(cluster)).toMatch(/released epoch 1 to [bc]/);
      cluster.run(30_000);
      expect(cluster.serving()).toHaveLength(1);
      expect(cluster.view(cluster.serving()[0] ?? '').epoch).toBe(2);
    },
  );

  it('hands over to the next one when the first does not take the last revisions (69)', () => {
    const cluster = servingCluster({ a: {}, b: {}, c: {} });
    cluster.failing.add('a send_last_revisions');
    cluster.give('a', shutdown);
    until(cluster, () => cluster.steps('a').includes('send_last_revisions'));
    cluster.failing.clear();
    cluster.run(2000);
    expect(told(cluster)).toContain('released epoch 1 to c');
    expect(cluster.serving()).toEqual(['c']);
  });

  it('tries each once, then goes (69)', () => {
    const cluster = servingCluster({ a: {}, b: {}, c: {} });
    cluster.failing.add('a send_last_revisions');
    cluster.give('a', shutdown);
    cluster.run(500);
    expect(cluster.steps('a').filter((step) => step === 'send_last_revisions')).toHaveLength(2);
    expect(told(cluster)).toContain('released epoch 1.');
    cluster.run(10_000);
    expect(cluster.serving()).toHaveLength(1);
  });

  it('passes over by name, whoever is ahead meanwhile (69)', () => {
    const cluster = servingCluster(five);
    cluster.failing.add('a send_last_revisions');
    cluster.stepTakes = 1000;
    cluster.give('a', shutdown);
    until(cluster, () => cluster.steps('a').includes('send_last_revisions'));
    cluster.failing.clear();
    for (const receiver of ['c', 'd', 'e']) {
      cluster.give('a', { kind: 'acknowledged', receiver, lineageEpoch: 1, revision: 700 });
    }
    cluster.run(4000);
    expect(told(cluster)).toContain('released epoch 1 to c');
  });

  it('is not moved by hand as well', () => {
    const cluster = waiting();
    cluster.give('a', move('b'));
    expect(cluster.trace.at(-1)).toContain('reply 7 false This node is being switched off');
  });
});
