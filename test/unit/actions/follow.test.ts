/**
 * The hosts line on a card that takes no more, and beside programs that rewrite it: the core names
 * a master once, so this part alone can bring the line after it.
 */
import { beforeEach, expect, test } from 'vitest';
import { findingBook } from '../../../agent/actions/findings.ts';
import { createFollow, type Follow } from '../../../agent/actions/follow.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { memoryFiles } from '../../../shared/ports/fakes/memory-files.ts';
import { seconds } from '../../../shared/time/duration.ts';

const HOSTS = '/etc/hosts';
const rig = () => {
  const files = memoryFiles({ [HOSTS]: '127.0.0.1 localhost\n' });
  const clock = fakeClock();
  const told: string[] = [];
  const findings = findingBook([], ({ text }) => told.push(text));
  const follow = createFollow({ files, clock, findings, hostsFile: HOSTS, changed: () => {} });
  return { files, clock, told, findings, follow };
};

const names = (follow: Follow, apiHost: string, epoch: number, serving = true): void =>
  follow.follow({ kind: 'follow', master: `pi${epoch}`, epoch, apiHost, apiPort: 6443, serving });

let { files, clock, told, findings, follow } = rig();
const line = () => files.read(HOSTS)?.split('\n')[1];

beforeEach(() => {
  ({ files, clock, told, findings, follow } = rig());
  names(follow, '10.0.0.1', 1);
  files.full(true);
});

test('is written as soon as the card takes it again, and told until then', () => {
  names(follow, '10.0.0.2', 2);
  clock.advance(seconds(60));
  expect(line()).toBe('10.0.0.1 baton-api # baton');
  const finding = expect.stringMatching(/^baton-api does not name the master 10\.0\.0\.2: .+/);
  expect(findings.list()).toEqual([{ code: 'hosts-line', text: finding }]);
  expect(told).toHaveLength(1);
  files.full(false);
  clock.advance(seconds(5));
  expect(line()).toBe('10.0.0.2 baton-api # baton');
  expect(findings.list()).toEqual([]);
  expect(clock.pending).toBe(1);
});

test('never goes back to a master that was named before the latest', () => {
  names(follow, '10.0.0.2', 2);
  names(follow, '10.0.0.3', 3);
  names(follow, '10.0.0.2', 2);
  expect(clock.pending).toBe(1);
  files.full(false);
  clock.advance(seconds(5));
  expect(line()).toBe('10.0.0.3 baton-api # baton');
  expect(findings.list()).toEqual([]);
});

test('waits for a master that does not serve yet', () => {
  names(follow, '10.0.0.2', 2);
  names(follow, '10.0.0.3', 3, false);
  expect([clock.pending, findings.list()]).toEqual([0, []]);
  names(follow, '10.0.0.3', 3);
  files.full(false);
  clock.advance(seconds(5));
  expect(line()).toBe('10.0.0.3 baton-api # baton');
});

test('stays as it is after the end', () => {
  names(follow, '10.0.0.2', 2);
  follow.close();
  files.full(false);
  clock.advance(seconds(60));
  expect(line()).toBe('10.0.0.1 baton-api # baton');
  expect([clock.pending, findings.list()]).toEqual([0, []]);
});

test.each([
  ['removed', '127.0.0.1 localhost\n'],
  ['changed', '127.0.0.1 localhost\n10.0.0.9 baton-api # baton\n'],
])(
  'comes back within a minute after it was %s by somebody else, and that is told once',
  (_, text) => {
    files.full(false);
    for (let time = 0; time < 3; time += 1) {
      files.write(HOSTS, text, { sync: false });
      clock.advance(seconds(60));
      expect(line()).toBe('10.0.0.1 baton-api # baton');
      expect(findings.list().map(({ code }) => code)).toEqual(['hosts-line']);
      clock.advance(seconds(60));
      expect(findings.list()).toEqual([]);
    }
    expect(told).toEqual([expect.stringContaining('it names the master 10.0.0.1 again')]);
    expect(files.read(HOSTS)?.startsWith('127.0.0.1 localhost\n')).toBe(true);
  },
);

test('a line that stands is read, and not written', () => {
  // A write would fail.
  clock.advance(seconds(600));
  expect([told, findings.list(), clock.pending]).toEqual([[], [], 1]);
});
