/** L3 to L7 one by one, on a single voter or holder that is handed crafted messages. */
import { describe, expect, it } from 'vitest';
import { decide } from '../../../agent/core/mastership.ts';
import type { Effect } from '../../../agent/core/types.ts';
import type {
  Ballot,
  LeaseMessage,
  MemberList,
  Propose,
} from '../../../shared/protocol/lease-messages.ts';
import { instant } from '../../../shared/time/duration.ts';
import { CoreCluster } from '../../golden/core-cluster.ts';

const list: MemberList = {
  epoch: 0,
  number: 0,
  members: ['a', 'b', 'c'],
  previous: [],
  committed: true,
};
const ballot: Ballot = { counter: 40, node: 'c', nonce: 'c1' };
const position = { node: 'c', lineage_epoch: 1, revision: 10, word: { nonce: 'c1', sequence: 1 } };
const prepare: LeaseMessage = { kind: 'prepare', ballot, position, list };

const proposal = (change: Partial<Propose> = {}): Propose => ({
  kind: 'propose',
  ballot,
  round: 7,
  owner: 'c',
  epoch: 2,
  duration_ms: 8000,
  nonces: { b: 'b1', c: 'c1' },
  list,
  positions: [],
  wall_ms: 0,
  wall_synchronised: false,
  ...change,
});

function serving(): CoreCluster {
  const cluster = new CoreCluster({ a: {}, b: {}, c: {} });
  cluster.boot('a', 'b', 'c');
  cluster.run(12_000);
  expect(cluster.serving()).toEqual(['a']);
  return cluster;
}

/** Hands `message` to one node alone; its answers and everything else it would do. */
function hand(cluster: CoreCluster, to: string, from: string, message: LeaseMessage) {
  const machine = cluster.machine(to);
  const event = { kind: 'message', from, message } as const;
  const decision = decide(machine.state, event, instant(cluster.now), machine.config);
  machine.state = decision.state;
  return decision.effects;
}

const answer = (effects: readonly Effect[]): LeaseMessage | undefined =>
  effects.find((effect) => effect.kind === 'send')?.message;

/** b has seen a serve with epoch 1, hears nobody any more, and has promised c's ballot. */
function promisedVoter(): CoreCluster {
  const cluster = serving();
  cluster.passes = () => false;
  cluster.powerOff('a', 'c');
  cluster.machine('b').timers.clear();
  cluster.run(9000);
  expect(answer(hand(cluster, 'b', 'c', prepare))).toMatchObject({ kind: 'promise', nonce: 'b1' });
  return cluster;
}

describe('L3: a promise', () => {
  it('goes to nobody else while a lease runs, and changes nothing', () => {
    const cluster = serving();
    const before = cluster.machine('b').state.run;
    expect(answer(hand(cluster, 'b', 'c', prepare))).toMatchObject({ kind: 'refuse' });
    expect(cluster.machine('b').state.run).toBe(before);
  });

  it('goes to a higher ballot only', () => {
    const cluster = promisedVoter();
    const lower = { ...ballot, counter: 39 };
    const refused = answer(
      hand(cluster, 'b', 'c', { kind: 'prepare', ballot: lower, position, list }),
    );
    expect(refused).toMatchObject({ kind: 'refuse', promised_counter: 40 });
  });
});

describe('L6: an Accept', () => {
  it('echoes the round, and a higher epoch is on disk before it', () => {
    const effects = hand(promisedVoter(), 'b', 'c', proposal());
    expect(answer(effects)).toMatchObject({ kind: 'accept', round: 7, nonce: 'b1' });
    const kinds = effects.map(({ kind }) => kind).filter((kind) => kind !== 'timer');
    expect(kinds).toEqual(['persist_disk', 'persist_run', 'send']);
  });

  it.each([
    ['a ballot that is higher than the promised one', { ballot: { ...ballot, counter: 41 } }],
    ['the same counter of another start', { ballot: { ...ballot, nonce: 'c2' } }],
    ['a nonce of an earlier start of this voter', { nonces: { b: 'b0', c: 'c1' } }],
    ['no nonce of this voter', { nonces: { c: 'c1' } }],
    ['an epoch that has another owner', { epoch: 1 }],
    ['an epoch below its own', { epoch: 0 }],
    ['somebody else’s name', { owner: 'a' }],
    ['a lease longer than its own silence', { duration_ms: 8001 }],
  ])('is not given for %s', (_what, change) => {
    const cluster = promisedVoter();
    const before = cluster.machine('b').state.run.accepted;
    expect(answer(hand(cluster, 'b', 'c', proposal(change)))).toMatchObject({ kind: 'refuse' });
    expect(cluster.machine('b').state.run.accepted).toBe(before);
  });

  it('is not given under an older list of voters than its own (L10)', () => {
    const cluster = promisedVoter();
    const { disk } = cluster.machine('b').state;
    if (disk === null) throw new TypeError('b has a record');
    const newer = { epoch: 1, number: 1, members: ['a', 'b'], previous: [], committed: true };
    const { state } = cluster.machine('b');
    cluster.machine('b').state = { ...state, disk: { ...disk, list: newer } };
    const refused = answer(hand(cluster, 'b', 'c', proposal()));
    expect(refused).toMatchObject({ kind: 'refuse', list: newer });
    const same = answer(hand(cluster, 'b', 'c', proposal({ list: newer })));
    expect(same).toMatchObject({ kind: 'accept' });
  });

  it('of two rounds is never counted together', () => {
    const cluster = serving();
    const { state } = cluster.machine('a');
    const { held } = state.run;
    if (held === null) throw new TypeError('a holds the lease');
    const accept = (round: number): LeaseMessage => ({
      kind: 'accept',
      ballot: held.ballot,
      round,
      nonce: 'b1',
      position: null,
      list,
    });
    cluster.passes = () => false;
    cluster.run(2500);
    const { round } = cluster.machine('a').state.run;
    const deadline = () => cluster.machine('a').state.run.held?.deadline;
    const before = deadline();
    hand(cluster, 'a', 'b', accept(round - 1));
    expect(deadline()).toBe(before);
    hand(cluster, 'a', 'b', accept(round));
    expect(deadline()).toBeGreaterThan(before ?? 0);
  });
});

describe('L5 and L7: a round', () => {
  it('has a number that is in /run before it is sent, and is never used twice', () => {
    const cluster = serving();
    const rounds: number[] = [];
    cluster.holds = (_from, to, message) => {
      if (message.kind !== 'propose' || to !== 'b') return false;
      rounds.push(message.round);
      expect(cluster.machine('a').run?.state).toMatchObject({ round: message.round });
      return false;
    };
    cluster.run(6000);
    cluster.machine('a').timers.clear();
    cluster.startProcess('a');
    cluster.run(6000);
    expect(rounds.length).toBeGreaterThan(6);
    expect(new Set(rounds).size).toBe(rounds.length);
  });

  it('moves the deadline by when it was sent, however late its answers come', () => {
    const cluster = serving();
    const sent = new Map<number, number>();
    cluster.holds = (from, _to, message) => {
      if (message.kind === 'propose') sent.set(message.round, cluster.now);
      return from === 'b' && message.kind === 'accept';
    };
    cluster.passes = (from, to) => from !== 'c' && to !== 'c';
    cluster.run(2000);
    const { run } = cluster.machine('a').state;
    const late = cluster.held.findLast(({ message }) => message.kind === 'accept');
    if (late === undefined || late.message.kind !== 'accept') throw new TypeError('no answer');
    expect(late.message.round).toBe(run.round);
    cluster.run(300);
    hand(cluster, 'a', 'b', late.message);
    const deadline = cluster.machine('a').state.run.held?.deadline;
    expect(deadline).toBe((sent.get(late.message.round) ?? 0) + 5000 - 10);
  });
});

describe('L4: a candidate', () => {
  it.each([
    ['a newer list', { list: { ...list, epoch: 1, number: 1, members: ['a', 'b'] } }],
    ['a higher epoch than it proposes', { highest_epoch: 3, epoch_owner: 'a' }],
    ['its own epoch with another owner', { highest_epoch: 2, epoch_owner: 'a' }],
  ])('that proposes ends its ballot when a late Promise shows %s', (_what, change) => {
    const cluster = serving();
    cluster.powerOff('a', 'c');
    cluster.holds = (from) => from === 'b';
    const asking = (): boolean => cluster.machine('b').state.attempt !== null;
    for (let passed = 0; passed < 20_000 && !asking(); passed += 20) cluster.run(20);
    const asked = cluster.held.findLast(({ message }) => message.kind === 'prepare');
    if (asked?.message.kind !== 'prepare') throw new TypeError('b has not asked');
    const promise = (from: string, more: object): LeaseMessage => ({
      kind: 'promise',
      ballot: (asked.message as { ballot: Ballot }).ballot,
      nonce: `${from}1`,
      accepted: null,
      highest_epoch: 1,
      epoch_owner: 'a',
      list,
      newest_tenure: 1,
      positions: [],
      wall_ms: 0,
      wall_synchronised: false,
      ...more,
    });
    const attempt = () => cluster.machine('b').state.attempt;
    expect(attempt()?.phase).toBe('preparing');
    hand(cluster, 'b', 'c', promise('c', {}));
    expect(attempt()).toMatchObject({ phase: 'proposing', epoch: 2 });
    const effects = hand(cluster, 'b', 'a', promise('a', change));
    expect(attempt()).toBe(null);
    expect(effects.some(({ kind, ...rest }) => kind === 'send' && 'message' in rest)).toBe(true);
  });
});
