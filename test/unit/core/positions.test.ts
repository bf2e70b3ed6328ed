/** Positions as they travel: what a holder tells must be a message that the others take. */

import * as v from 'valibot';
import { expect, test } from 'vitest';
import type { Position } from '../../../shared/protocol/lease-messages.ts';
import { nonce } from '../../../shared/protocol/schemas.ts';
import { CoreCluster } from '../../golden/core-cluster.ts';

test('a receiver that acknowledges before it was heard of has a legal word in the renewals', () => {
  const cluster = new CoreCluster({ a: {}, b: {}, c: {} });
  cluster.boot('a', 'b', 'c');
  cluster.run(12_000);
  expect(cluster.serving()).toEqual(['a']);
  // The agent of the master is started again: it goes on with the lease and knows of nobody.
  const told: Position[] = [];
  cluster.passes = (from, to, message) => {
    if (from === 'a' && message.kind === 'propose') told.push(...message.positions);
    // Nobody answers for a while; the stream is quicker than the lease.
    return to !== 'a';
  };
  cluster.startProcess('a');
  const acknowledged = { receiver: 'b', lineageEpoch: 1, revision: 7 };
  cluster.give('a', { kind: 'acknowledged', ...acknowledged });
  cluster.run(2000);
  const ofB = told.filter(({ node }) => node === 'b');
  expect(ofB.length).toBeGreaterThan(0);
  for (const { revision, word } of ofB) {
    expect([revision, v.is(nonce, word.nonce)]).toEqual([7, true]);
  }
});

test('the receiver’s own word replaces it as soon as it is heard', () => {
  const cluster = new CoreCluster({ a: {}, b: {}, c: {} });
  cluster.boot('a', 'b', 'c');
  cluster.run(12_000);
  cluster.startProcess('a');
  const acknowledged = { receiver: 'b', lineageEpoch: 9, revision: 7 };
  cluster.give('a', { kind: 'acknowledged', ...acknowledged });
  cluster.run(3000);
  const row = cluster.view('a').positions.find(({ node }) => node === 'b');
  expect(row?.word.nonce).toBe(cluster.machine('b').state.nonce);
});
