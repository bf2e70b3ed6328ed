/** The machine lab's own judgement: which cases are played, and what a run adds up to. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cases } from '../../lab/machines/cases.ts';
import { readMachineLabOptions } from '../../lab/machines/options.ts';
import { seededChoice } from '../../lab/machines/rounds.ts';
import { caseTable, machineFigures, type Verdict } from '../../lab/machines/verdict.ts';
import { reaches } from '../../lab/result-file.ts';

const read = (...args: string[]) => readMachineLabOptions(args, {}, 7);

describe('options', () => {
  test('every case by default, none beside rounds', () => {
    expect(read('--machines')).toMatchObject({ cases: cases.map(({ name }) => name), rounds: 0 });
    expect(read('--rounds', '10')).toMatchObject({ cases: [], rounds: 10, seed: 7 });
    expect(read('--case', 'hang', '--case', 'move')).toMatchObject({ cases: ['hang', 'move'] });
  });

  test.each([
    ['an unknown case', ['--case', 'flood'], 'first-start'],
    ['two machines', ['--count', '2'], '3 to 5'],
    ['an unknown option', ['--fast'], 'usage'],
  ])('%s is refused with what there is', (_name, args, word) => {
    expect(() => read(...args)).toThrow(word);
  });

  test('names of cases are unique, and good for folders', () => {
    const names = cases.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z-]+$/);
  });
});

test('the same seed chooses the same cases, each once before any twice', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 9 }), (seed, count) => {
      const all = Array.from({ length: count }, (_, index) => index);
      const [first, second] = [seededChoice(all, seed), seededChoice(all, seed)];
      const drawn = Array.from({ length: 3 * count }, () => first());
      expect(drawn).toEqual(drawn.map(() => second()));
      for (let at = 0; at < drawn.length; at += count) {
        expect(new Set(drawn.slice(at, at + count)).size).toBe(count);
      }
    }),
  );
});

describe('figures', () => {
  const good: Verdict = {
    name: 'power-cut',
    label: 'power-cut',
    seconds: 20,
    gapMs: 9000,
    powerCut: true,
    thawedAnswers: null,
    twoServers: 0,
    acknowledged: 100,
    lostOld: 0,
    lostRecent: 1,
    atRiskMs: 20,
    wrong: [],
  };
  const figures = (all: readonly Verdict[], planned: number) =>
    new Map(machineFigures(all, planned, true).map((one) => [one.name, one]));
  const value = (all: readonly Verdict[], planned: number, name: string) =>
    figures(all, planned).get(name as never)?.value;

  test('a clean run reaches every bar', () => {
    const round = { ...good, label: 'round-1-hang', thawedAnswers: 0, gapMs: 11_000 };
    const all = machineFigures([good, round], 2, true);
    expect(all.every(reaches)).toBe(true);
    expect(value([good, round], 2, 'cases')).toBe(1);
    expect(value([good, round], 2, 'rounds')).toBe(1);
    expect(value([good, round], 2, 'api_gap_p50_s')).toBe(9);
  });

  test.each([
    ['a case with a wrong', { wrong: ['late'] }, 'cases_failed'],
    ['two servers', { twoServers: 1 }, 'two_servers_observed'],
    ['an answer after a thaw', { thawedAnswers: 3 }, 'thawed_server_answers'],
    ['a lost write', { lostOld: 1 }, 'lost_acknowledged_writes'],
  ])('%s misses its bar', (_name, change, figure) => {
    const found = figures([good, { ...good, ...change }], 2).get(figure as never);
    expect(found !== undefined && reaches(found)).toBe(false);
  });

  test('what was not played counts as failed', () => {
    expect(value([good], 3, 'cases_failed')).toBe(2);
  });

  test('the table says what was wrong', () => {
    expect(caseTable([{ ...good, wrong: ['nobody serves'] }])[0]).toContain('WRONG: nobody serves');
  });
});
