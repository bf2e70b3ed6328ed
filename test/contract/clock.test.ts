/** One suite for the port of time: against the fake and against the real clock. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CLOCK_RESOLUTION, systemClock } from '../../shared/adapters/system-clock.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import { fakeClock } from '../../shared/ports/fakes/fake-clock.ts';
import { after, between, instant, milliseconds, wallTime } from '../../shared/time/duration.ts';

interface Subject {
  readonly clock: Clock;
  /**
   * Lets time pass until the condition holds, however long a loaded machine takes; the limit of
   * the test itself ends what never comes.
   */
  readonly until: (condition: () => boolean) => Promise<void>;
}

const implementations: readonly [string, () => Subject][] = [
  [
    'system clock',
    () => ({
      clock: systemClock(),
      until: async (condition) => {
        while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
      },
    }),
  ],
  [
    'fake clock',
    () => {
      const clock = fakeClock();
      const until = async (condition: () => boolean): Promise<void> => {
        for (let step = 0; step < 10_000 && !condition(); step += 1) clock.advance(milliseconds(1));
        expect(condition()).toBe(true);
      };
      return { clock, until };
    },
  ],
];

describe.each(implementations)('%s', (_name, make) => {
  test('a timer is never early, on the boot clock itself', async () => {
    const { clock, until } = make();
    const early: number[] = [];
    let fired = 0;
    for (let delay = 0; delay <= 40; delay += 1) {
      const due = after(clock.now(), milliseconds(delay));
      clock.at(due, () => {
        fired += 1;
        if (clock.now() < due) early.push(delay);
      });
    }
    await until(() => fired === 41);
    expect(early).toEqual([]);
  });

  test('timers never run inside the call that arms them, be they long due', async () => {
    const { clock, until } = make();
    const ran: string[] = [];
    clock.at(instant(0), () => ran.push('past'));
    clock.in(milliseconds(-5), () => ran.push('negative'));
    expect(ran).toEqual([]);
    await until(() => ran.length === 2);
    expect(ran.sort()).toEqual(['negative', 'past']);
  });

  test('an earlier one runs before a later one, whichever was armed first', async () => {
    const { clock, until } = make();
    const ran: string[] = [];
    const start = clock.now();
    clock.at(instant(start + 400), () => ran.push('late'));
    clock.at(instant(start + 10), () => ran.push('early'));
    await until(() => ran.length === 2);
    expect(ran).toEqual(['early', 'late']);
  });

  test('a cancelled timer does not run; cancelling again or late is harmless', async () => {
    const { clock, until } = make();
    const ran: string[] = [];
    const cancelled = clock.in(milliseconds(10), () => ran.push('cancelled'));
    const kept = clock.in(milliseconds(10), () => ran.push('kept'));
    // Due well after the cancelled one: when it has run, that one would have run too.
    clock.in(milliseconds(40), () => ran.push('later'));
    cancelled.cancel();
    cancelled.cancel();
    await until(() => ran.includes('later'));
    kept.cancel();
    expect(ran).toEqual(['kept', 'later']);
  });

  test('a far timer waits: more than setTimeout can count is not at once', async () => {
    const { clock, until } = make();
    const ran: string[] = [];
    const timer = clock.in(milliseconds(2 ** 31 + 5), () => ran.push('far'));
    clock.in(milliseconds(20), () => ran.push('near'));
    await until(() => ran.includes('near'));
    expect(ran).toEqual(['near']);
    timer.cancel();
  });

  test('clocks go forward together', async () => {
    const { clock, until } = make();
    const [now, fine, wall] = [clock.now(), clock.monotonicMilliseconds(), clock.wall()];
    await until(() => clock.monotonicMilliseconds() - fine >= 50);
    expect(between(now, clock.now())).toBeGreaterThanOrEqual(50 - CLOCK_RESOLUTION);
    // The wall clock may be slewed or stepped meanwhile; that it runs is all that is asked.
    await until(() => clock.wall() - wall >= 10);
    expect(clock.wall()).toBeGreaterThan(Date.UTC(2020, 0, 1));
  });
});

test.runIf(process.platform === 'linux')('the boot clock is the dead man’s own', () => {
  const uptime = () => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
  const before = Math.round(uptime());
  const now = systemClock().now();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(Math.round(uptime()));
  expect(now % CLOCK_RESOLUTION).toBe(0);
});

describe('fake clock alone', () => {
  test('timers due together run in the order they were armed, nested ones included', () => {
    const clock = fakeClock({ now: instant(100), wall: wallTime(5_000) });
    const ran: string[] = [];
    clock.at(instant(110), () => {
      ran.push(`a ${clock.now()}`);
      clock.at(instant(110), () => ran.push(`nested ${clock.now()}`));
    });
    clock.at(instant(110), () => ran.push(`b ${clock.now()}`));
    clock.at(instant(120), () => ran.push('too late'));
    expect(clock.nextTimer()).toBe(110);
    clock.advance(milliseconds(19));
    expect(ran).toEqual(['a 110', 'b 110', 'nested 110']);
    expect([clock.now(), clock.wall(), clock.pending, clock.nextTimer()]).toEqual([
      119, 5_019, 1, 120,
    ]);
  });

  test('a frozen time runs what is due late, at the time it has become', () => {
    const clock = fakeClock({ now: instant(0) });
    let ranAt = -1;
    clock.at(instant(10), () => {
      ranAt = clock.now();
    });
    clock.freeze(milliseconds(500));
    expect(ranAt).toBe(-1);
    clock.advance(milliseconds(0));
    expect(ranAt).toBe(500);
  });

  test('the wall clock steps alone, and time never goes back', () => {
    const clock = fakeClock({ now: instant(50), wall: wallTime(1_000) });
    clock.stepWall(milliseconds(-400));
    expect([clock.now(), clock.wall()]).toEqual([50, 600]);
    expect(() => clock.advanceTo(instant(49))).toThrow('never goes back');
  });
});
