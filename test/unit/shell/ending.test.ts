/** The orderly end: what is waited for, and how long. */
import { expect, test } from 'vitest';
import { departure, MASTER_LEAVES } from '../../../agent/wiring/ending.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { milliseconds, seconds } from '../../../shared/time/duration.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What was resolved with, or `waits`. */
const make = (master: () => boolean) => {
  const clock = fakeClock();
  const departing = departure();
  let result: string | null | 'waits' = 'waits';
  void departing.wait(clock, master).then((text) => {
    result = text;
  });
  const pass = async (ms: number): Promise<string | null> => {
    clock.advance(milliseconds(ms));
    await turn();
    return result;
  };
  return { departing, pass };
};

test('a vote that is taken back ends the wait at once', async () => {
  const { departing, pass } = make(() => false);
  expect(await pass(1000)).toBe('waits');
  departing.left('left the voters');
  expect(await pass(100)).toBe('left the voters');
});

test('with nobody to take the vote, the wait is short', async () => {
  const { pass } = make(() => false);
  expect(await pass(seconds(3))).toBe('waits');
  expect(await pass(seconds(2))).toBeNull();
});

test('a master is given the time of a move, and after it that of a voter', async () => {
  let master = true;
  const { pass } = make(() => master);
  expect(await pass(seconds(20))).toBe('waits');
  master = false;
  expect(await pass(seconds(3))).toBe('waits');
  expect(await pass(seconds(2))).toBeNull();
});

test('a master that cannot give its role away is not waited for beyond the bound', async () => {
  const { pass } = make(() => true);
  expect(await pass(MASTER_LEAVES - 1000)).toBe('waits');
  expect(await pass(seconds(2))).toBeNull();
});
