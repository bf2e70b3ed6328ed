/** L1, L10, L11 and the timing sum: small arithmetic on which "never two masters" stands. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareBallots, isSameBallot } from '../../../agent/core/lease/ballot.ts';
import {
  hasMajority,
  hasRenewalQuorum,
  isSingleChange,
} from '../../../agent/core/lease/member-list.ts';
import { brokenTimingRules, DEADMAN_PERIOD } from '../../../agent/core/lease/timing-rules.ts';
import type { MemberList } from '../../../shared/protocol/lease-messages.ts';
import { seconds } from '../../../shared/time/duration.ts';
import { agentSettings } from '../config/samples.ts';

const ballot = fc.record({
  counter: fc.nat(3),
  node: fc.constantFrom('a', 'b', 'c'),
  nonce: fc.constantFrom('0', '1'),
});

test('L1: ballots have one total order, counter first', () => {
  fc.assert(
    fc.property(ballot, ballot, ballot, (a, b, c) => {
      expect(Math.sign(compareBallots(a, b))).toBe(0 - Math.sign(compareBallots(b, a)));
      if (compareBallots(a, b) <= 0 && compareBallots(b, c) <= 0) {
        expect(compareBallots(a, c)).toBeLessThanOrEqual(0);
      }
      expect(isSameBallot(a, b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      if (a.counter > b.counter) expect(compareBallots(a, b)).toBeGreaterThan(0);
    }),
  );
});

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const members = fc.subarray(names, { minLength: 1 });
const list = (now: string[], previous: string[], committed: boolean): MemberList => ({
  epoch: 1,
  number: 1,
  members: now,
  previous,
  committed,
});

test('L10: any two majorities share a voter, also across one change of members', () => {
  const change = fc.constantFrom(...names);
  const two = fc.tuple(fc.subarray(names), fc.subarray(names));
  fc.assert(
    fc.property(members, change, two, (before, name, [one, other]) => {
      const now = before.includes(name) ? before.filter((m) => m !== name) : [...before, name];
      fc.pre(now.length > 0);
      expect(isSingleChange(before, now)).toBe(true);
      const old = list(before, [], true);
      const uncommitted = list(now, before, false);
      const both = hasMajority(old, new Set(one)) && hasMajority(uncommitted, new Set(other));
      if (both) expect(one.some((voter) => other.includes(voter))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test('L10: an uncommitted list needs its predecessor’s majority too', () => {
  const grown = list(['a', 'b', 'c', 'd'], ['a', 'b', 'c'], false);
  expect(hasMajority(grown, new Set(['b', 'c', 'd']))).toBe(true);
  expect(hasMajority(grown, new Set(['c', 'd', 'x']))).toBe(false);
  const swapped = list(['a', 'd'], ['a', 'b', 'c'], false);
  expect(hasMajority(swapped, new Set(['a', 'd']))).toBe(false);
  expect(hasMajority({ ...swapped, committed: true }, new Set(['a', 'd']))).toBe(true);
});

test('L10: two changes at a time are no single change', () => {
  expect(isSingleChange(['a', 'b'], ['a', 'b'])).toBe(false);
  expect(isSingleChange(['a', 'b'], ['a', 'c'])).toBe(false);
  expect(isSingleChange(['a'], ['a', 'b', 'c'])).toBe(false);
});

test('L11: a pinned master renews with its own voter alone, and nobody wins alone', () => {
  const pair = list(['a', 'b'], [], true);
  expect(hasRenewalQuorum(pair, new Set(['a']), 'a')).toBe(true);
  expect(hasRenewalQuorum(pair, new Set(['b']), 'a')).toBe(false);
  expect(hasMajority(pair, new Set(['a']))).toBe(false);
  const three = list(['a', 'b', 'c'], [], true);
  expect(hasRenewalQuorum(three, new Set(['a']), 'a')).toBe(false);
});

const { lease } = agentSettings();
const shipped = {
  leaseDuration: lease.lease_duration_ms,
  renewInterval: lease.renew_interval_ms,
  fenceAfter: lease.fence_after_ms,
  driftBound: lease.drift_percent / 100,
  dataPathGate: true,
};

test('the shipped timing keeps two servers apart', () => {
  expect(brokenTimingRules(shipped)).toEqual([]);
  expect(brokenTimingRules({ ...shipped, dataPathGate: false })).toEqual([]);
});

test.each([
  ['killed-before-grant', { ...shipped, leaseDuration: seconds(6) }, /6500 must be below .* 5940/],
  [
    'killed-before-grant',
    { ...shipped, leaseDuration: seconds(7), dataPathGate: false },
    /1000 \+ once more without a data-path gate 1000 \+ kill 500 = 7500 must be below .* 6930/,
  ],
  ['misses-one-renewal', { ...shipped, renewInterval: seconds(2.5) }, /5000 must be below .* 5000/],
  ['drift-is-a-bound', { ...shipped, driftBound: Number.NaN }, /drift NaN/],
])('%s is refused with its sum', (rule, timing, sum) => {
  const broken = brokenTimingRules(timing).find((found) => found.rule === rule);
  expect(broken?.sum).toMatch(sum);
});

test('the dead man’s period is the one in the script', () => {
  const script = join(import.meta.dirname, '../../../systemd/baton-deadman.sh');
  const [, period] = /^ {2}sleep (\d+)$/m.exec(readFileSync(script, 'utf8')) ?? [];
  expect(Number(period) * 1000).toBe(DEADMAN_PERIOD);
});
