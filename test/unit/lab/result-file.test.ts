/** The one result format: its shape, its bars and the table that people read. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  type Bar,
  figure,
  figureTable,
  isSafe,
  makeResult,
  publishResult,
  reaches,
} from '../../lab/result-file.ts';

test.each<[number | null, Bar, boolean]>([
  [12, '<= 12', true],
  [12.01, '<= 12', false],
  [300, '>= 300', true],
  [299, '>= 300', false],
  [0, '= 0', true],
  [1, '= 0', false],
  [null, '= 0', false],
  [Number.NaN, '<= 1', false],
  [null, null, true],
])('%s against %s: %s', (value, bar, expected) => {
  expect(reaches({ value, bar })).toBe(expected);
});

const made = (lost: number, conditions: boolean[] = []) =>
  makeResult({
    command: 'demo',
    k3s: 'k3s version test',
    startedAt: new Date(0),
    figures: [figure('lost_acknowledged_writes', lost), figure('failovers', 3)],
    conditions,
  });

test('ok needs every bar and every condition', () => {
  expect(made(0).ok).toBe(true);
  expect(made(1).ok).toBe(false);
  expect(made(0, [true, false]).ok).toBe(false);
});

test('only what must never happen makes a run unsafe', () => {
  const slow = [figure('api_gap_max_s', 40), figure('two_servers_observed', 0)];
  expect([slow.every(reaches), isSafe(slow)]).toEqual([false, true]);
  expect(isSafe([figure('two_servers_observed', 1)])).toBe(false);
  expect(isSafe([figure('lost_acknowledged_writes', null)])).toBe(false);
});

test('the file has exactly the agreed keys', () => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-result-'));
  const json = join(folder, 'deeper', 'result.json');
  const lines: string[] = [];
  publishResult(made(0), { json, print: (line) => lines.push(line) });
  const read = JSON.parse(readFileSync(json, 'utf8'));
  rmSync(folder, { recursive: true });
  expect(Object.keys(read)).toEqual(['command', 'commit', 'k3s', 'started_at', 'figures', 'ok']);
  expect(Object.keys(read.figures[0])).toEqual(['name', 'value', 'unit', 'bar']);
  expect(read.started_at).toBe('1970-01-01T00:00:00.000Z');
  expect(lines.join('\n')).toContain('lost_acknowledged_writes');
});

test('rows of cases stand beside the figures', () => {
  const rows = [{ name: 'hang', gap_ms: 9000 }];
  const result = makeResult({
    ...{ command: 'lab', k3s: 'none', startedAt: new Date(0), figures: [] },
    casesPlayed: rows,
  });
  expect(result.cases_played).toEqual(rows);
  expect(made(0)).not.toHaveProperty('cases_played');
});

test('a missed bar and a missing value are said in the table', () => {
  const table = figureTable([figure('lost_acknowledged_writes', 2), figure('api_gap_max_s', null)]);
  expect(table).toMatch(/lost_acknowledged_writes +2 +writes += 0 +MISSED/);
  expect(table).toMatch(/api_gap_max_s +not measured +s +<= 15 +MISSED/);
});
