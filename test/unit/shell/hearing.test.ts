/** A successor's core is told what the node holds before it hears the Release. */
import { expect, test } from 'vitest';
import type { AgentEvent } from '../../../agent/core/types.ts';
import { hearing } from '../../../agent/wiring/hearing.ts';
import type { Release } from '../../../shared/protocol/lease-messages.ts';

const facts = { lineageEpoch: 3, revision: 41, clean: true, source: 'replica' } as const;
const release = (successor: string | null): Release => ({
  kind: 'release',
  ballot: { counter: 7, node: 'a', nonce: '0123456789abcdef' },
  epoch: 3,
  successor,
  last_revision: 41,
});

function heard(message: Release): AgentEvent[] {
  const events: AgentEvent[] = [];
  const hear = hearing('b', { facts: () => facts }, (event) => events.push(event));
  hear('a', message);
  return events;
}

test('a Release that names this node comes after what the node holds', () => {
  const message = release('b');
  const told = { kind: 'datastore', facts };
  expect(heard(message)).toEqual([told, { kind: 'message', from: 'a', message }]);
});

test.each(['c', null])('one that names %s goes on as it came', (successor) => {
  const message = release(successor);
  expect(heard(message)).toEqual([{ kind: 'message', from: 'a', message }]);
});
