/** What the agent answers is validated: nothing that is sent makes the command throw. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseCommandAnswer, parseStatus } from '../../../agent/cli/answers.ts';
import { healthy } from './samples.ts';

test('a whole answer is understood', () => {
  const parsed = parseStatus(JSON.stringify({ ok: true, ...healthy() }));
  expect(parsed).toEqual({ ok: true, value: healthy() });
});

test('a refusal of the agent is told in its words', () => {
  expect(parseStatus('{"ok":false,"text":"no such verb"}')).toEqual({
    ok: false,
    message: 'no such verb',
  });
});

test('one wrong report refuses the whole, and says which', () => {
  const { self, reports, ranking } = healthy();
  const wrong = reports.map((report, at) => (at === 2 ? { ...report, epoch: 'twelve' } : report));
  const parsed = parseStatus(
    JSON.stringify({ ok: true, self, reports: wrong, ranking, heard: [], coordinators: [] }),
  );
  expect(parsed.ok).toBe(false);
  expect(parsed.ok ? '' : parsed.message).toContain('reports.2');
});

test('no text makes the parsers throw', () => {
  const anything = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .record({ ok: fc.boolean(), self: fc.jsonValue(), reports: fc.array(fc.jsonValue()) })
      .map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(anything, (text) => {
      expect(parseStatus(text).ok).toBe(false);
      parseCommandAnswer(text);
    }),
  );
});
