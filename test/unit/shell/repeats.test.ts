/** An event that nobody repeats survives a full disk: the loop says it again (bug 2 of BUGS.md). */
import { expect, test } from 'vitest';
import { mustRepeat } from '../../../agent/core/repeats.ts';
import type { AgentEvent, Effect } from '../../../agent/core/types.ts';
import { createLoop, type Executors } from '../../../agent/loop.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { seconds } from '../../../shared/time/duration.ts';

const write: Effect = {
  kind: 'persist_run',
  record: { version: 1, boot_id: 'b', nonce: 'n', state: {} },
};

/** A loop whose first write fails; each event of `kind` writes. */
function loopOnFullDisk(kind: AgentEvent['kind']) {
  const clock = fakeClock();
  const seen: string[] = [];
  let failures = 1;
  const nothing = (): void => undefined;
  const executors: Executors = {
    persist_disk: () => null,
    persist_run: () => {
      failures -= 1;
      return failures >= 0 ? { failed: 'no space left' } : null;
    },
    send: nothing,
    open_gate: nothing,
    close_gate: nothing,
    fence: nothing,
    step: nothing,
    follow: nothing,
    reply: nothing,
  };
  const core = {
    initial: 0,
    decide: (state: number, event: AgentEvent) => {
      seen.push(event.kind);
      return { state: state + 1, effects: event.kind === kind ? [write] : [], reason: '' };
    },
  };
  const loop = createLoop(core, executors, clock, { turned: nothing, problem: nothing });
  return { loop, clock, seen };
}

test('the result of a step comes again a second after its turn failed', () => {
  const { loop, clock, seen } = loopOnFullDisk('step_done');
  loop.post({ kind: 'step_done', step: 'install_archive', epoch: 3, ok: true, detail: '' });
  expect(seen).toEqual(['step_done', 'persist_failed']);
  clock.advance(seconds(1));
  expect(seen).toEqual(['step_done', 'persist_failed', 'step_done']);
  clock.advance(seconds(10));
  expect(seen).toHaveLength(3);
});

test('a reading does not: the next one follows by itself', () => {
  const { loop, clock, seen } = loopOnFullDisk('ranking');
  loop.post({ kind: 'ranking', order: [] });
  clock.advance(seconds(10));
  expect(seen).toEqual(['ranking', 'persist_failed']);
});

test('a timer rings again by its name, so that one armed meanwhile replaces it', () => {
  const { loop, clock, seen } = loopOnFullDisk('timer');
  loop.post({ kind: 'timer', timer: 'sit-out' });
  clock.advance(seconds(1));
  expect(seen).toEqual(['timer', 'persist_failed', 'timer']);
  clock.advance(seconds(10));
  expect(seen).toHaveLength(3);
});

test('a reading whose turn has stopped a server comes again', () => {
  const fence: Effect = { kind: 'fence', epoch: 3, reason: 'a higher epoch' };
  expect(mustRepeat({ kind: 'ranking', order: [] }, [fence])).toBe(true);
  expect(mustRepeat({ kind: 'ranking', order: [] }, [])).toBe(false);
});
