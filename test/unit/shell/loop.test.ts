/** The loop against a small decide function: each of the caller's duties, and what may go wrong. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AgentEvent, DiskRecord, Effect } from '../../../agent/core/types.ts';
import { createLoop, type Executors, type Outcome } from '../../../agent/loop.ts';
import { BatonError } from '../../../shared/errors/baton-error.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { instant, milliseconds, seconds } from '../../../shared/time/duration.ts';

type Answer = (event: AgentEvent, now: number) => readonly Effect[];

const record: DiskRecord = {
  version: 1,
  highest_epoch: 1,
  epoch_owner: 'pi1',
  list: { epoch: 1, number: 1, members: ['pi1'], previous: [], committed: true },
  newest_wall_ms: 0,
};
const persist: Effect = { kind: 'persist_disk', record };
const reply = (text: string): Effect => ({ kind: 'reply', id: '1', ok: true, text });
const ranking: AgentEvent = { kind: 'ranking', order: [] };
const timer = (at: number): Effect => ({ kind: 'timer', timer: 'renew', at: instant(at) });

/** A loop whose state counts the turns that stood. */
const make = (answer: Answer, special: Partial<Executors> = {}) => {
  const clock = fakeClock();
  const done: string[] = [];
  const events: AgentEvent[] = [];
  const problems: string[] = [];
  const reasons: string[] = [];
  const note = (effect: Effect) => {
    done.push(effect.kind === 'reply' ? effect.text : effect.kind);
  };
  const persistNote = (effect: Effect): Outcome => {
    note(effect);
    return null;
  };
  const executors: Executors = {
    persist_disk: persistNote,
    persist_run: persistNote,
    send: note,
    open_gate: note,
    close_gate: note,
    fence: note,
    step: note,
    follow: note,
    reply: note,
    ...special,
  };
  const core = {
    initial: 0,
    decide: (state: number, event: AgentEvent, now: number) => {
      events.push(event);
      return { state: state + 1, effects: answer(event, now), reason: event.kind };
    },
  };
  const loop = createLoop(core, executors, clock, {
    turned: (_state, _event, reason) => reasons.push(reason),
    problem: (effect) => problems.push(effect),
  });
  return { loop, clock, done, events, problems, reasons };
};

test('effects are carried out in order, and the turn is told afterwards', () => {
  const { loop, done, reasons } = make(() => [persist, reply('a'), reply('b')]);
  loop.post(ranking);
  expect(done).toEqual(['persist_disk', 'a', 'b']);
  expect([loop.state(), reasons]).toEqual([1, ['ranking']]);
});

test('a failed persist drops the rest and the new state, and is told as an event', () => {
  const { loop, done, events, reasons } = make(
    (event) => (event.kind === 'ranking' ? [reply('before'), persist, reply('after')] : []),
    { persist_disk: () => ({ failed: 'no space left' }) },
  );
  loop.post(ranking);
  expect(done).toEqual(['before']);
  expect(events[1]).toEqual({ kind: 'persist_failed', what: 'disk', detail: 'no space left' });
  // Only the turn of persist_failed stood.
  expect([loop.state(), reasons]).toEqual([1, ['persist_failed']]);
});

test('a persist that throws has failed just the same', () => {
  const { loop, events, problems } = make((event) => (event.kind === 'ranking' ? [persist] : []), {
    persist_disk: () => {
      throw new BatonError('disk-full', 'operational', 'no space left');
    },
  });
  loop.post(ranking);
  expect(events[1]).toMatchObject({ kind: 'persist_failed', detail: 'no space left' });
  expect(problems).toEqual(['persist_disk']);
});

test('a medium that stays broken is tried once a second, not in a circle', () => {
  const { loop, clock, events } = make(() => [persist], {
    persist_disk: () => ({ failed: 'read-only' }),
  });
  loop.post(ranking);
  expect(events.map(({ kind }) => kind)).toEqual(['ranking', 'persist_failed']);
  clock.advance(seconds(1));
  expect(events).toHaveLength(3);
  expect(loop.state()).toBe(0);
});

test('another executor that fails is a problem, not the end of the turn', () => {
  const { loop, done, problems } = make(() => [{ kind: 'close_gate' }, reply('after')], {
    close_gate: () => {
      throw new BatonError('permission-denied', 'operational', 'not ours');
    },
  });
  loop.post(ranking);
  expect([done, problems, loop.state()]).toEqual([['after'], ['close_gate'], 1]);
});

test('our own bug leaves the loop', () => {
  const { loop } = make(() => [{ kind: 'close_gate' }], {
    close_gate: () => {
      throw new BatonError('invariant-broken', 'invariant', 'never');
    },
  });
  expect(() => loop.post(ranking)).toThrow('never');
});

test('an event posted while an effect is carried out waits for the turn to end', () => {
  const order: string[] = [];
  const made = make((event) => (event.kind === 'ranking' ? [reply('first'), reply('last')] : []), {
    reply: ({ text }) => {
      order.push(text);
      if (text === 'first') made.loop.post({ kind: 'stopping', why: 'restart' });
    },
  });
  made.loop.post(ranking);
  expect(order).toEqual(['first', 'last']);
  expect(made.events.map(({ kind }) => kind)).toEqual(['ranking', 'stopping']);
});

test('a timer of the same name replaces the earlier one; a cancelled one never fires', () => {
  const answers: Effect[][] = [
    [timer(3_600_100)],
    [timer(3_600_500)],
    [],
    [timer(3_600_900)],
    [{ kind: 'cancel_timer', timer: 'renew' }],
  ];
  const { loop, clock, events } = make(() => answers.shift() ?? []);
  loop.post(ranking);
  loop.post(ranking);
  clock.advance(milliseconds(499));
  expect(events).toHaveLength(2);
  clock.advance(milliseconds(1));
  expect(events[2]).toEqual({ kind: 'timer', timer: 'renew' });
  loop.post(ranking);
  loop.post(ranking);
  clock.advance(seconds(9));
  expect(events).toHaveLength(5);
});

test('after stop nothing is taken and nothing fires', () => {
  const { loop, clock, events } = make(() => [timer(3_600_100)]);
  loop.post(ranking);
  loop.stop();
  loop.post(ranking);
  clock.advance(seconds(9));
  expect([events.length, clock.pending]).toEqual([1, 0]);
});

test('the time that decide sees never goes back, whatever the clock says', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1000 })), (readings) => {
      const seen: number[] = [];
      const clock = { ...fakeClock(), now: () => instant(readings.shift() ?? 0) };
      const core = {
        initial: null,
        decide: (_state: null, _event: AgentEvent, now: number) => {
          seen.push(now);
          return { state: null, effects: [], reason: '' };
        },
      };
      const { loop: unused } = make(() => []);
      unused.stop();
      const loop = createLoop(core, {} as Executors, clock, { turned() {}, problem() {} });
      for (let count = readings.length; count > 0; count--) loop.post(ranking);
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
    }),
  );
});
