/** Control requests: a line in, an answer out, and nothing that a line can break. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createControl } from '../../../agent/actions/control.ts';
import type { StatusAnswer } from '../../../agent/cli/control.ts';
import type { AgentEvent } from '../../../agent/core/types.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { minutes } from '../../../shared/time/duration.ts';

const status = { self: { node: 'pi1' }, reports: [], ranking: null } as unknown as StatusAnswer;

const make = () => {
  const clock = fakeClock();
  const events: Extract<AgentEvent, { kind: 'command' }>[] = [];
  const control = createControl({
    clock,
    status: () => status,
    post: (event) => {
      if (event.kind === 'command') events.push(event);
    },
  });
  return { control, clock, events };
};
const move = JSON.stringify({ verb: 'command', command: { name: 'move', to: 'pi2' } });

test('a status is answered from memory', async () => {
  expect(await make().control.handle('{"verb":"status"}')).toEqual({ ok: true, ...status });
});

test('a command is an event, and the core’s reply its answer', async () => {
  const { control, events } = make();
  const [first, second] = [control.handle(move), control.handle(move)];
  expect(events.map(({ command }) => command)).toEqual([
    { name: 'move', to: 'pi2' },
    { name: 'move', to: 'pi2' },
  ]);
  control.reply(events[1]?.id ?? '', { ok: false, text: 'second' });
  control.reply(events[0]?.id ?? '', { ok: true, text: 'first' });
  control.reply('nobody', { ok: true, text: 'ignored' });
  expect(await Promise.all([first, second])).toEqual([
    { ok: true, text: 'first' },
    { ok: false, text: 'second' },
  ]);
});

test('a command that is never answered ends, and too many at once are refused', async () => {
  const { control, clock } = make();
  const waiting = Array.from({ length: 16 }, () => control.handle(move));
  expect(await control.handle(move)).toEqual({ ok: false, text: 'too many commands wait' });
  clock.advance(minutes(3));
  const answers = await Promise.all(waiting);
  expect(answers.every(({ ok }) => !ok)).toBe(true);
});

test('whatever is no request is refused, and reaches nobody', async () => {
  const { control, events } = make();
  const word = fc.constantFrom('verb', 'command', 'name', 'move', 'promote', 'to', 'status2');
  const shaped = fc.dictionary(word, fc.oneof(word, fc.jsonValue()));
  const line = fc.oneof(
    fc.string(),
    fc.json(),
    shaped.map((value) => JSON.stringify(value)),
  );
  await fc.assert(
    fc.asyncProperty(line, async (text) => (await control.handle(text)).ok === false),
  );
  expect(events).toEqual([]);
});
