/** Positions as they travel: what a holder tells must be a message that the others take. */

import * as v from 'valibot';
import { expect, test } from 'vitest';
import { hearPositions } from '../../../agent/core/lease/positions.ts';
import { beginTurn } from '../../../agent/core/turn.ts';
import type { Position } from '../../../shared/protocol/lease-messages.ts';
import { nonce } from '../../../shared/protocol/schemas.ts';
import { instant } from '../../../shared/time/duration.ts';
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

const at = (revision: number, start: string, sequence: number): Position => ({
  node: 'c',
  lineage_epoch: 1,
  revision,
  word: { nonce: start.repeat(16), sequence },
});

test('what others tell of another start replaces nothing, until the node itself speaks', () => {
  const cluster = new CoreCluster({ a: {}, b: {}, c: {}, d: {} });
  cluster.boot('a', 'b', 'c', 'd');
  cluster.run(12_000);
  const { state, config } = cluster.machine('b');
  const turn = beginTurn(state, instant(30_000), config);
  hearPositions(turn, 'c', [at(5, '1', 9)]);
  hearPositions(turn, 'd', [at(10, '2', 1)]);
  expect([turn.state.positions.c?.revision, turn.state.rumours.c?.revision]).toEqual([5, 10]);
  hearPositions(turn, 'c', [at(7, '2', 2)]);
  expect([turn.state.positions.c?.revision, turn.state.rumours.c]).toEqual([7, undefined]);
});

test('a candidate waits for the answer of a node that is said to be better', () => {
  const cluster = new CoreCluster({ a: {}, b: {}, c: {}, d: {}, e: {} });
  cluster.boot('a', 'b', 'c', 'd', 'e');
  cluster.run(12_000);
  cluster.powerOff('a');
  const machine = cluster.machine('b');
  machine.state = { ...machine.state, rumours: { c: at(1000, '2', 1) } };
  cluster.passes = (from) => from !== 'c';
  while (cluster.view('b').phase !== 'asking') cluster.run(1);
  cluster.run(300);
  expect(cluster.view('b').phase).toBe('asking');
  cluster.run(2000);
  const roles = ['b', 'd', 'e'].map((node) => cluster.view(node).role);
  expect(roles.filter((role) => role === 'master')).toHaveLength(1);
});

test('whom a candidate names can be reached, and is no lost master any more', () => {
  const cluster = new CoreCluster({ a: {}, b: {}, c: {}, d: {} });
  cluster.boot('a', 'b', 'c', 'd');
  cluster.run(12_000);
  cluster.powerOff('a');
  cluster.run(7000);
  const before = cluster.machine('d').state.heard.a ?? 0;
  const ballot = { counter: 99, node: 'b', nonce: cluster.machine('b').state.nonce };
  const release = {
    kind: 'release',
    ballot,
    epoch: 0,
    successor: 'a',
    last_revision: null,
  } as const;
  cluster.give('d', { kind: 'message', from: 'b', message: release });
  expect((cluster.machine('d').state.heard.a ?? 0) - before).toBeGreaterThan(5000);
});
