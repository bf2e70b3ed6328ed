/** A report that cannot be built is left out; the agent, whose turn asked for it, goes on. */
import { expect, test } from 'vitest';
import { createPublisher } from '../../../agent/actions/publisher.ts';
import { BatonError, invariant } from '../../../shared/errors/baton-error.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import type { NodeReport } from '../../../shared/protocol/report.ts';
import { minutes } from '../../../shared/time/duration.ts';

function publisher(build: () => NodeReport) {
  const clock = fakeClock();
  const trouble: string[] = [];
  const made = createPublisher({
    clock,
    build,
    publishReport: () => {},
    publishValue: () => {},
    sendToPeers: () => {},
    hasBroker: () => true,
    failed: (text) => trouble.push(text),
  });
  return { clock, trouble, made };
}

test('no descriptor left for /proc: told, and tried again', () => {
  let builds = 0;
  const { clock, trouble, made } = publisher(() => {
    builds += 1;
    throw new BatonError('input-output', 'operational', 'too many open files');
  });
  expect(trouble).toEqual(['too many open files']);
  made.soon();
  clock.advance(minutes(1));
  expect(builds).toBeGreaterThan(5);
});

test('our own bug ends the process', () => {
  expect(() =>
    publisher(() => {
      invariant(false, 'a report without a node');
      throw new Error('not reached');
    }),
  ).toThrow('a report without a node');
});
