/** The judge of "never two servers at once" must catch made-up logs in which there were two. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AccessLogCollector, parseAccessLog } from '../../lab/access-logs.ts';
import { type Answer, describeOverlap, findOverlaps, stretches } from '../../lab/overlap.ts';

/** Answers of one node every 20 ms from `from` to `to`, in milliseconds. */
const serving = (node: string, from: number, to: number): Answer[] =>
  Array.from({ length: Math.floor((to - from) / 20) + 1 }, (_, index) => ({
    node,
    atUs: (from + index * 20) * 1000,
  }));

test('one after the other is no overlap, and back again neither', () => {
  const answers = [
    ...serving('a', 0, 5000),
    ...serving('b', 8000, 20_000),
    ...serving('a', 28_000, 30_000),
  ];
  expect(findOverlaps(answers)).toEqual([]);
  expect(stretches(answers).map((one) => one.node)).toEqual(['a', 'b', 'a']);
});

test('two servers side by side are caught, with the time they shared', () => {
  const [overlap] = findOverlaps([...serving('a', 0, 9000), ...serving('b', 8000, 20_000)]);
  expect(overlap).toMatchObject({ fromUs: 8_000_000, toUs: 9_000_000 });
  expect(overlap && describeOverlap(overlap)).toContain('a and b both answered');
});

test('a single answer of a thawed server inside the other’s time is caught', () => {
  const late = { node: 'a', atUs: 12_345_678 };
  expect(
    findOverlaps([...serving('a', 0, 5000), late, ...serving('b', 8000, 20_000)]),
  ).toHaveLength(1);
});

test('one answer of each at the very same moment is caught', () => {
  expect(
    findOverlaps([
      { node: 'a', atUs: 5 },
      { node: 'b', atUs: 5 },
    ]),
  ).toHaveLength(1);
});

test('three at once are three pairs', () => {
  const answers = ['a', 'b', 'c'].flatMap((node) => serving(node, 0, 100));
  expect(findOverlaps(answers)).toHaveLength(3);
});

test('an intruder at any moment of a reign is caught, in any order of lines', () => {
  const reign = serving('a', 0, 10_000);
  const moment = fc.integer({ min: 0, max: 10_000_000 });
  fc.assert(
    fc.property(moment, fc.integer({ min: 0, max: 500 }), (atUs, at) => {
      const answers = [...reign.slice(0, at), { node: 'b', atUs }, ...reign.slice(at)];
      expect(findOverlaps(answers)).toHaveLength(1);
    }),
  );
});

const line = (endUs: number) => `${JSON.stringify({ t_wall_us: endUs - 9, end_wall_us: endUs })}\n`;

test('a torn last line is counted and harms nothing', () => {
  const { answers, torn } = parseAccessLog('a', `${line(10)}${line(20)}{"t_wall_us":3`);
  expect(answers.map((one) => one.atUs)).toEqual([10, 20]);
  expect(torn).toBe(1);
});

test('any text is parsed without an exception', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const { answers } = parseAccessLog('a', text);
      expect(answers.every((one) => Number.isFinite(one.atUs))).toBe(true);
    }),
  );
});

test('a log that moves to quarantine is read once, and the new one beside it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-logs-'));
  const collector = new AccessLogCollector();
  mkdirSync(join(folder, 'k3s/server'), { recursive: true });
  writeFileSync(join(folder, 'k3s/server/access.log'), line(1) + line(2));
  collector.collect('a', folder);
  mkdirSync(join(folder, 'quarantine'));
  renameSync(join(folder, 'k3s/server'), join(folder, 'quarantine/server-1'));
  mkdirSync(join(folder, 'k3s/server'));
  writeFileSync(join(folder, 'k3s/server/access.log'), line(3));
  collector.collect('a', folder);
  rmSync(folder, { recursive: true });
  expect(collector.answers().answers.map((one) => one.atUs)).toEqual([1, 2, 3]);
});
