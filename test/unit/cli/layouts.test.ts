/** What people see, whole, as golden text; and what no report may do to a terminal. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StatusAnswer } from '../../../agent/cli/control.ts';
import {
  colours,
  columns,
  type Look,
  noColours,
  render,
  type Tone,
} from '../../../agent/cli/layout/lines.ts';
import { statusLines } from '../../../agent/cli/layout/status-lines.ts';
import { whyLines } from '../../../agent/cli/layout/why-lines.ts';
import { expectGolden } from './golden-text.ts';
import { healthy, master, noMaster, report, stream, troubled, two } from './samples.ts';
import { coordinatorDead, lagging, noMajority, promoting, returned } from './states.ts';

const plain = (width: number): Look => ({ width, paint: noColours });
/** Tones as readable marks, so that a golden file shows them. */
const marked = (tone: Tone, text: string): string =>
  tone === 'plain' ? text : `<${tone}>${text}</${tone}>`;

const status = (answer: StatusAnswer, look: Look): string[] =>
  render(statusLines(answer, look.width), look);

describe('baton status', () => {
  test.each([
    ['healthy', healthy],
    ['no-master', noMaster],
    ['troubled', troubled],
    ['two-voters', two],
    ['returned', returned],
    ['lagging', lagging],
    ['no-majority', noMajority],
    ['coordinator-dead', coordinatorDead],
    ['promoting', promoting],
  ])('%s, on a terminal of 80 columns', (name, answer) => {
    expectGolden(`status-${name}.txt`, status(answer(), plain(80)));
  });

  test('a narrow terminal keeps what matters', () => {
    expectGolden('status-narrow.txt', status(healthy(), plain(40)));
  });

  test('tones', () => {
    expectGolden('status-tones.txt', status(troubled(), { width: 100, paint: marked }));
  });

  test('piped output is never wrapped', () => {
    const lines = status(troubled(), plain(Number.POSITIVE_INFINITY));
    expect(lines.filter((line) => line.includes('lone-revisions'))).toHaveLength(1);
    expect(lines.join('\n')).toContain('saved in /var/lib/baton/quarantine/11/lone-revisions.json');
  });

  test('a node alone, before it was founded', () => {
    const self = report('pi1', { list: null, master: null, epoch: 0, revision: 0, reasons: [] });
    const lines = status(
      { self, reports: [], ranking: null, heard: [], coordinators: [] },
      plain(80),
    );
    expect(lines[0]).toBe('No master among 1 node · last epoch 0');
    expect(lines.join('\n')).toContain('or by `baton found`');
  });

  test('candidates are compared by what the master has from each at one moment', () => {
    const answer = healthy();
    const ahead = report('pi3', { revision: 120_000_000_999 });
    const reports = answer.reports.map((one) => (one.node === 'pi3' ? ahead : one));
    expect(status({ ...answer, reports }, plain(80)).join('\n')).toContain('pi2, then pi3');
  });

  test('a master that is no longer heard is still followed, and said to be unheard', () => {
    const { self, ...rest } = noMaster();
    const heard = [{ node: 'pi1', ago_ms: 14_400 }];
    const lines = status({ ...rest, heard, self: { ...self, master: 'pi1' } }, plain(80));
    expect(lines[0]).toBe('pi1 is master of 5 nodes · not heard for 14.4 s · epoch 12');
  });

  test('a report that is due is waited for, each 4 s or each 10 s over direct links alone', () => {
    const answer = healthy();
    const heard = answer.heard.map(({ node }) => ({ node, ago_ms: 11_000 }));
    const text = status({ ...answer, heard }, plain(80)).join('\n');
    expect(text).toContain('5 of 5 heard');
    expect(text).not.toContain('unheard');
  });

  test('the last word of a dead master does not stand against what this node knows', () => {
    const answer = noMaster();
    const heard = answer.heard.map((one) => (one.node === 'pi1' ? { ...one, ago_ms: 6000 } : one));
    const lines = status({ ...answer, heard }, plain(80));
    expect(lines[0]).toContain('No master');
    expect(lines.join('\n')).toContain('unheard 6.0 s');
  });

  test('who holds no rows is nobody’s successor while others hold some', () => {
    const answer = healthy();
    const empty = { lineage_epoch: 0, revision: 0 };
    const reports = answer.reports.map((one) =>
      one.node === 'pi1'
        ? master({ receivers: [stream('pi2', 0, 5)] })
        : one.node === 'pi3'
          ? report('pi3', empty)
          : one,
    );
    const next = status({ ...answer, reports }, plain(80)).find((text) => text.startsWith('next'));
    expect(next).toContain('pi2 · in step');
    expect(next).not.toContain('pi3');
  });

  test('a node that waits out its boot is not called unheard', () => {
    const self = report('pi1', { phase: 'silent', master: null });
    const lines = status(
      { self, reports: [], ranking: null, heard: [], coordinators: [] },
      plain(80),
    );
    expect(lines.join('\n')).toContain('just booted');
    expect(lines.join('\n')).not.toContain('unheard');
  });

  test('a master that is still starting is not called serving', () => {
    const self = master({ phase: 'promoting' });
    expect(
      status({ self, reports: [], ranking: null, heard: [], coordinators: [] }, plain(80))[0],
    ).toContain('promoting');
  });
});

describe('baton why', () => {
  test.each([
    ['healthy', healthy, false],
    ['everybody', healthy, true],
    ['no-master', noMaster, false],
    ['no-majority', noMajority, false],
    ['promoting', promoting, false],
  ])('%s', (name, answer, everybody) => {
    const look = plain(80);
    expectGolden(`why-${name}.txt`, render(whyLines(answer(), { everybody }), look));
  });

  test('a master that has forgotten says so', () => {
    const self = master({ reasons: [], promotion: [] });
    const lines = render(
      whyLines(
        { self, reports: [], ranking: null, heard: [], coordinators: [] },
        { everybody: false },
      ),
      plain(80),
    );
    expect(lines.join('\n')).toContain('nothing is remembered');
  });
});

describe('whatever a report says', () => {
  const words = fc.string({ unit: 'binary', maxLength: 120 });
  const anyReport = fc
    .record({
      node: fc.constantFrom('pi1', 'pi2', 'pi3', 'zero-w'),
      epoch: fc.nat(20),
      sequence: fc.nat(9),
      role: fc.constantFrom('master', 'receiver', 'witness', 'follower', 'fenced'),
      master: fc.option(fc.constantFrom('pi1', 'pi2', 'stranger')),
      phase: words,
      api: fc.option(words),
      k3s: words,
      lease_left_ms: fc.option(fc.double({ noNaN: true, min: -1e6, max: 1e9 })),
      findings: fc.array(fc.record({ code: words, text: words }), { maxLength: 3 }),
      reasons: fc.array(fc.record({ ago_ms: fc.nat(), epoch: fc.nat(20), reason: words })),
    })
    .map(({ node, ...change }) => report(node, change as Partial<ReturnType<typeof report>>));
  const anyAnswer = fc.record({
    self: anyReport,
    reports: fc.array(anyReport, { maxLength: 5 }),
    ranking: fc.constant(null),
    coordinators: fc.array(
      fc.record({ node: fc.constantFrom('pi1', 'pi2'), connected: fc.boolean() }),
      { maxLength: 3 },
    ),
    heard: fc.array(fc.record({ node: fc.constantFrom('pi1', 'stranger'), ago_ms: fc.nat() }), {
      maxLength: 3,
    }),
  });

  test('no control character and no line beyond the width reaches the terminal', () => {
    fc.assert(
      fc.property(anyAnswer, fc.integer({ min: 20, max: 140 }), (answer, width) => {
        const look = plain(width);
        const all = [
          ...status(answer, look),
          ...render(whyLines(answer, { everybody: true }), look),
        ];
        for (const line of all) {
          expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
          expect(columns(line)).toBeLessThanOrEqual(width);
        }
      }),
    );
  });

  test('colours change no character', () => {
    fc.assert(
      fc.property(anyAnswer, (answer) => {
        const bare = status(answer, plain(90));
        const painted = status(answer, { width: 90, paint: colours });
        // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences themselves
        expect(painted.map((line) => line.replaceAll(/\u001b\[\d+m/g, ''))).toEqual(bare);
      }),
    );
  });
});
