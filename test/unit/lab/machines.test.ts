/** The machine lab's own judgement: which cases are played, and what a run adds up to. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isStarved } from '../../lab/machines/case.ts';
import { cases } from '../../lab/machines/cases.ts';
import { readMachineLabOptions } from '../../lab/machines/options.ts';
import { type Task, tasksOf } from '../../lab/machines/plan.ts';
import { seededChoice } from '../../lab/machines/rounds.ts';
import { seriesTable } from '../../lab/machines/series.ts';
import { cheapestWindow, dearest, type SwitchCost } from '../../lab/machines/switch-cost.ts';
import { TaskQueue } from '../../lab/machines/task-queue.ts';
import {
  caseRows,
  caseTable,
  closingLine,
  isHostsFault,
  machineFigures,
  type Verdict,
} from '../../lab/machines/verdict.ts';
import { reaches } from '../../lab/result-file.ts';

const read = (...args: string[]) => readMachineLabOptions(args, {}, 7);

test('what a case writes to a card is synced: the next case may cut its power', () => {
  const folder = new URL('../../lab/machines/', import.meta.url);
  const names = readdirSync(folder).filter((name) => name.startsWith('cases'));
  const calls = names.flatMap(
    (name) => readFileSync(new URL(name, folder), 'utf8').match(/writeFileSync\([^;]*\);/g) ?? [],
  );
  expect(calls.length).toBeGreaterThan(0);
  for (const call of calls) expect(call).toContain('flush: true');
});

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

test.each([
  ['a calm host', 150, 0.5, false],
  ['a busy one', 900, 3.9, false],
  ['one on which programs begin late', 1000, 0.5, true],
  ['one with a queue for each core', 150, 4, true],
])('%s: can the claim that nothing moves be judged', (_name, tookMs, load, starved) => {
  expect(isStarved(tookMs, load)).toBe(starved);
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
  switchCost: null,
  load: 1,
  notJudged: [],
  wrong: [],
};

describe('a series', () => {
  const all = ['a', 'b', 'c'].map((name) => ({ name, random: name !== 'b' }));
  const labels = (played: string[], rounds = 6) =>
    tasksOf(
      { cases: ['b'], rounds, seed: 5 },
      all,
      played.map((label) => ({ label })),
    ).map(({ label }) => label);

  test('cases come first, rounds are numbered and never of a case that is not drawn', () => {
    const [first, ...rounds] = labels([]);
    expect(first).toBe('b');
    expect(rounds.map((label) => label.split('-')[1])).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(rounds.filter((label) => label.endsWith('-b'))).toEqual([]);
  });

  test('goes on with what is missing, wherever side by side left a hole', () => {
    const [, ...rounds] = labels([]);
    const played = ['b', ...rounds.filter((_, index) => index !== 2 && index !== 5)];
    expect(labels(played)).toEqual(['b', rounds[2], rounds[5]]);
    expect(labels([...rounds])).toEqual(['b']);
  });

  test('does not go on with the record of another seed', () => {
    const [, first = ''] = labels([]);
    const other = first.endsWith('a') ? 'round-1-c' : 'round-1-a';
    expect(() => labels([other])).toThrow(`${other} is of another series: --seed 5 draws ${first}`);
    // More rounds than are asked for now are no contradiction.
    expect(labels(['round-9-a'])).toEqual(labels([]));
  });

  test('is told as a table, a row for each kind of case', () => {
    const cut = { ...good, gapMs: 12_340 };
    const slow = { ...good, name: 'hang', notJudged: ['slow'] };
    const bad = { ...slow, gapMs: null, wrong: ['late'] };
    expect(seriesTable([cut, slow, good, bad]).slice(2)).toEqual([
      '| `hang` | 2 | 9.0 / 9.0 / 9.0 s | 2 | 0 | 1 | 1 |',
      '| `power-cut` | 2 | 9.0 / 9.0 / 12.3 s | 2 | 2 | 0 | 0 |',
      '| `all` | 4 | 9.0 / 9.0 / 12.3 s | 4 | 2 | 1 | 1 |',
    ]);
  });
});

describe('figures', () => {
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

  test('one long gap of many misses the bar of p99, a median does not show it', () => {
    const cuts = [9000, 9000, 9000, 16_001].map((gapMs) => ({ ...good, gapMs }));
    const missed = machineFigures(cuts, 4, true).filter((one) => !reaches(one));
    expect(missed.map(({ name }) => name)).toEqual(['api_gap_p99_s', 'api_gap_max_s']);
    const other = { ...good, powerCut: false, gapMs: 28_000 };
    expect(value([good, other], 2, 'api_gap_p99_s')).toBe(9);
  });

  test('a switch that costs too much, or could not be measured, misses its bar', () => {
    const costs = (rssMb: number, cpuPercent: number): SwitchCost => ({
      ...{ memory: { rssMb, withSleepMb: rssMb + 1 }, cpuPercent },
    });
    const missed = (switchCost: SwitchCost) =>
      machineFigures([{ ...good, switchCost }, good], 2, true)
        .filter((one) => !reaches(one))
        .map(({ name }) => name);
    expect(missed(costs(2, 0.3))).toEqual([]);
    const both = ['deadman_rss_mb', 'deadman_cpu_percent'];
    expect(missed(costs(2.01, 0.31))).toEqual(both);
    expect(missed(dearest([costs(1, 0.4), costs(3, 0.1)]))).toEqual(both);
    const unknown = { memory: null, cpuPercent: Number.NaN };
    expect(missed(dearest([costs(1, 0.1), unknown]))).toEqual(both);
  });

  // Readings 10 s apart; what was used in between, milliseconds.
  test.each([
    ['a window in which the host was away', [21, 110, 22, 24], 0.21],
    ['each window dear', [110, 98, 105, 120], 0.98],
    ['a window that could not be read', [21, Number.NaN, 22, 24], Number.NaN],
  ])('of what the switch used the cheapest window counts: %s', (_name, usedMs, percent) => {
    const readings = [{ atMs: 5000, usedUs: 300 }];
    for (const used of usedMs) {
      const { atMs, usedUs } = readings.at(-1) ?? { atMs: 0, usedUs: 0 };
      readings.push({ atMs: atMs + 10_000, usedUs: usedUs + used * 1000 });
    }
    expect(Number(cheapestWindow(readings).toFixed(6))).toBe(percent);
  });

  test('each case has a row of its own', () => {
    const late = { ...good, label: 'round-1-hang', wrong: ['late'], thawedAnswers: 2 };
    const rows = caseRows([good, late]);
    expect(rows.map(({ label }) => label)).toEqual(['power-cut', 'round-1-hang']);
    expect(rows[1]).toEqual({
      ...{ name: 'power-cut', label: 'round-1-hang', seconds: 20, gap_ms: 9000, power_cut: true },
      ...{ acknowledged: 100, lost_old: 0, lost_recent: 1, two_servers: 0 },
      ...{ thawed_server_answers: 2, wrong: ['late'], not_judged: [] },
    });
  });

  test('what was not played counts as failed', () => {
    expect(value([good], 3, 'cases_failed')).toBe(2);
  });

  test('the last line adds up what was planned, played or not', () => {
    expect(closingLine([good, { ...good, wrong: ['late'] }], 4)).toBe('1 passed, 3 failed');
    expect(closingLine([good, good], 1)).toBe('2 passed, 0 failed');
  });

  test('a claim that the host was too slow for is told, and no failure', () => {
    const slow = { ...good, notJudged: ['node needs 2 s to start'] };
    expect(caseTable([slow])[0]).toContain('ok, not judged: node needs 2 s to start');
    expect(value([slow], 1, 'cases_failed')).toBe(0);
  });

  test('the table says what was wrong', () => {
    expect(caseTable([{ ...good, wrong: ['nobody serves'] }])[0]).toContain('WRONG: nobody serves');
  });
});

test('a starved stream may lag by less than 5 s, and what is excused is no matter', () => {
  const late: Verdict = { ...good, load: 4, wrong: ['1 acknowledged writes are gone'] };
  expect(isHostsFault({ ...late, lostOld: 1, atRiskMs: 4999 })).toBe(true);
  expect(isHostsFault({ ...late, lostOld: 0, lostRecent: 9, atRiskMs: 40_000 })).toBe(true);
});

test('the gate draws the same cases each time', () => {
  const gate = readFileSync(new URL('../../../.ci/run', import.meta.url), 'utf8');
  const rounds = gate.split('\n').filter((line) => line.includes('--rounds'));
  expect(rounds.length).toBeGreaterThan(0);
  for (const line of rounds) expect(line).toMatch(/--seed \d+/);
});

describe('which cluster plays what', () => {
  const tasks = tasksOf({ cases: ['a', 'b', 'c'], rounds: 0, seed: 1 }, [], []);
  const late: Verdict = { ...good, load: 9, wrong: ['nobody serves'] };
  const names = (...all: (Task | null)[]) => all.map((one) => one?.name ?? null);

  test('side by side while the host has room', async () => {
    const queue = new TaskQueue(tasks, () => 3.9, 1);
    expect(names(await queue.next(), await queue.next(), await queue.next())).toEqual([
      ...['a', 'b', 'c'],
    ]);
    expect(await queue.next()).toBeNull();
  });

  test('one at a time where processors are scarce', async () => {
    let load = 4;
    const queue = new TaskQueue(tasks, () => load, 1);
    const first = await queue.next();
    const waits = queue.next();
    const early = await Promise.race([waits, sleep(30).then(() => 'nothing yet')]);
    expect(early).toBe('nothing yet');
    if (first !== null) queue.ended(first, good);
    expect(names(await waits)).toEqual(['b']);
    const third = queue.next();
    load = 1;
    expect(names(await third)).toEqual(['c']);
  });

  test('what a busy host broke is played once more, alone, and its first try is told', async () => {
    const queue = new TaskQueue(tasks.slice(0, 2), () => 1, 1);
    const [a, b] = [await queue.next(), await queue.next()] as [Task, Task];
    expect(queue.ended(a, late)).toBe(false);
    expect(await queue.next()).toBeNull(); // The other one still plays.
    expect(queue.ended(b, good)).toBe(true);
    const again = (await queue.next()) as Task;
    expect(again).toMatchObject({ name: 'a', reuse: false });
    expect(again.before).toEqual(['first try, at a load of 9.0: nobody serves']);
    expect(queue.ended(again, late)).toBe(true);
    expect(await queue.next()).toBeNull();
  });

  test.each([
    ['on a calm host', { load: 3.9 }],
    ['with two servers', { twoServers: 1 }],
    ['with answers after a thaw', { thawedAnswers: 1 }],
    ['with a write lost that was 5 s old', { lostOld: 1, atRiskMs: 5000 }],
    ['with a write lost that nothing excuses', { lostOld: 1, atRiskMs: Number.MAX_SAFE_INTEGER }],
  ])('what is wrong %s is final', (_name, change) => {
    expect(isHostsFault(late)).toBe(true);
    expect(isHostsFault({ ...late, ...change })).toBe(false);
  });
});
