/** What the benches compute and read: options, acknowledgements, time at risk, a replica folder. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { isBatonError } from '../../../shared/errors/baton-error.ts';
import { parseAcknowledgements } from '../../bench/acknowledgements.ts';
import { type Milestone, rising, risksOf } from '../../bench/at-risk.ts';
import { readReplica } from '../../bench/litestream/replica.ts';
import { BENCH_USAGE, readBenchOptions, underItsBars } from '../../bench/options.ts';
import { figure } from '../../lab/result-file.ts';

describe('time at risk', () => {
  const writes = [
    { revision: 10, atMs: 1000 },
    { revision: 11, atMs: 1020 },
    { revision: 12, atMs: 1040 },
  ];

  test('from the answer to the first milestone that reaches the write', () => {
    const milestones = [
      { revision: 9, atMs: 990 },
      { revision: 11, atMs: 1100 },
      { revision: 12, atMs: 1200 },
    ];
    expect(risksOf(writes, milestones)).toEqual({ times: [100, 80, 160], uncovered: 0 });
  });

  test('safe before the answer came: never at risk; never safe: counted', () => {
    const milestones = [{ revision: 11, atMs: 1010 }];
    expect(risksOf(writes, milestones)).toEqual({ times: [10, 0], uncovered: 1 });
    expect(risksOf(writes, [])).toEqual({ times: [], uncovered: 3 });
    expect(risksOf([], milestones)).toEqual({ times: [], uncovered: 0 });
  });

  test('a milestone that says less than an earlier one takes nothing back', () => {
    const milestones = [
      { revision: 12, atMs: 1050 },
      { revision: 10, atMs: 1060 },
    ];
    expect(risksOf(writes, milestones).times).toEqual([50, 30, 10]);
    expect(rising(milestones)).toEqual([{ revision: 12, atMs: 1050 }]);
  });

  test('as a plain search says, in whatever order the milestones come', () => {
    const entry = fc.record({ revision: fc.nat(50), atMs: fc.nat(1000) });
    const agrees = fc.property(fc.array(entry), fc.array(entry), (some, milestones) => {
      const slow = some.flatMap(({ revision, atMs }) => {
        const safe = milestones.filter((one) => one.revision >= revision).map((one) => one.atMs);
        return safe.length === 0 ? [] : [Math.max(0, Math.min(...safe) - atMs)];
      });
      const { times, uncovered } = risksOf(some, milestones);
      expect(times).toEqual(slow);
      expect(uncovered).toBe(some.length - slow.length);
    });
    fc.assert(agrees, { numRuns: 300 });
  });
});

describe('acknowledgements', () => {
  const line = (revision: number, receiver: string, atMs: number): string =>
    `${JSON.stringify({ revision, receiver, at_ms: atMs })}\n`;

  test('are told apart by receiver', () => {
    const text = line(1, 'node2', 100) + line(1, 'node3', 101) + line(3, 'node2', 102);
    expect(parseAcknowledgements(text)).toEqual({
      byReceiver: new Map([
        [
          'node2',
          [
            { revision: 1, atMs: 100 },
            { revision: 3, atMs: 102 },
          ],
        ],
        ['node3', [{ revision: 1, atMs: 101 }]],
      ]),
      torn: 0,
    });
  });

  test.each([
    '{"revision":1,"receiver":"node2","at_',
    '{"revision":"1","receiver":"node2","at_ms":5}',
    '{"revision":1.5,"receiver":"node2","at_ms":5}',
    '{"revision":1,"receiver":7,"at_ms":5}',
    '{"revision":1,"receiver":"node2"}',
    'null',
    '[]',
    'words',
  ])('a torn line is counted: %s', (torn) => {
    const { byReceiver, torn: count } = parseAcknowledgements(line(1, 'node2', 9) + torn);
    expect([byReceiver.get('node2'), count]).toEqual([[{ revision: 1, atMs: 9 }], 1]);
  });

  test('written, cut off anywhere and read: all whole lines, and at most one torn', () => {
    const entry = fc.record({
      receiver: fc.constantFrom('node1', 'node2', 'node3'),
      revision: fc.nat(),
      atMs: fc.nat(),
    });
    const survives = fc.property(fc.array(entry), fc.nat(), (entries, cut) => {
      const whole = entries.map((one) => line(one.revision, one.receiver, one.atMs));
      const text = whole.join('').slice(0, cut % (whole.join('').length + 1));
      const { byReceiver, torn } = parseAcknowledgements(text);
      const read = [...byReceiver.values()].flat().length;
      // A last line that lacks nothing but its end is whole.
      const lines = text.split('\n').filter((one) => one !== '').length;
      expect(read + torn).toBe(lines);
      expect(torn).toBeLessThanOrEqual(1);
    });
    fc.assert(survives);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(parseAcknowledgements(text).torn).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe('a replica folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-bench-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const fixture = join(import.meta.dirname, 'fixtures/litestream-0.5.9.ltx');

  test('gives the newest revision of each file and when it got its name', () => {
    const known = new Map<string, Milestone | null>();
    expect(readReplica(folder, known)).toEqual([]);
    const level = join(folder, 'ltx/0');
    mkdirSync(level, { recursive: true });
    const path = join(level, '0000000000000002-0000000000000002.ltx');
    // Unfinished, foreign and compacted files are none of the first level's.
    writeFileSync(`${path}.tmp`, 'half');
    writeFileSync(join(level, 'notes.txt'), 'words');
    expect(readReplica(folder, known)).toEqual([]);
    copyFileSync(fixture, path);
    const expected = [{ revision: 26, atMs: statSync(path).ctimeMs }];
    expect(readReplica(folder, known)).toEqual(expected);
    rmSync(path);
    expect(readReplica(folder, known)).toEqual(expected);
  });
});

describe('options', () => {
  const refused = (...args: string[]): string => {
    try {
      readBenchOptions(args, {});
    } catch (error) {
      if (isBatonError(error) && error.kind === 'usage') return error.message;
      throw error;
    }
    return 'accepted';
  };

  test('defaults are those of the bars', () => {
    expect(readBenchOptions(['failover'], {})).toEqual({
      bench: 'failover',
      nodes: 3,
      kills: 10,
      seconds: 60,
      k3s: 'real',
      rate: 50,
      json: undefined,
      keep: false,
      command: 'bench failover',
    });
  });

  test('BATON_K3S names the control plane, --k3s wins', () => {
    const environment = { BATON_K3S: '/usr/bin/k3s' };
    expect(readBenchOptions(['replication'], environment)?.k3s).toBe('/usr/bin/k3s');
    const args = ['replication', '--k3s', 'embedded', '--json', 'x.json', '--keep'];
    expect(readBenchOptions(args, environment)).toMatchObject({
      k3s: 'embedded',
      json: 'x.json',
      keep: true,
      command: 'bench replication --k3s embedded --json x.json --keep',
    });
    expect(readBenchOptions(['failover'], { BATON_K3S: '' })?.k3s).toBe('real');
  });

  test.each<[string[], string]>([
    [[], 'no bench was named: say failover or replication'],
    [['failovers'], '"failovers": say failover or replication'],
    [['failover', 'replication'], '"failover replication": say failover or replication'],
    [['failover', '--kills', '0'], '--kills 0: a whole number from 1 to 1000'],
    [['failover', '--kills', 'many'], '--kills many: a whole number'],
    [['failover', '--nodes', '2'], '--nodes 2: a whole number from 3 to 7'],
    [['replication', '--seconds', '241'], '--seconds 241: a whole number from 5 to 240'],
    [['replication', '--rate', '1e2'], '--rate 1e2: a whole number from 1 to 1000'],
    [['replication', '--rates', '5'], "Unknown option '--rates'"],
  ])('%j', (args, words) => {
    const message = refused(...args);
    expect(message).toContain(words);
    expect(message).toContain(BENCH_USAGE);
  });

  test('help is no error', () => {
    expect(readBenchOptions(['--help'], {})).toBeNull();
    expect(readBenchOptions(['-h', 'failover'], {})).toBeNull();
  });

  test('bars that were set for other conditions are left out, the others never', () => {
    const figures = [
      figure('api_gap_max_s', 20),
      figure('lag_p99_ms', 100),
      figure('lost_acknowledged_writes', 1),
    ];
    const bars = (k3s: string, rate: number) =>
      underItsBars(figures, { k3s, rate }).map(({ bar }) => bar);
    expect(bars('real', 50)).toEqual(['<= 15', '<= 60', '= 0']);
    expect(bars('/usr/bin/k3s', 50)).toEqual(['<= 15', '<= 60', '= 0']);
    expect(bars('real', 51)).toEqual(['<= 15', null, '= 0']);
    expect(bars('embedded', 50)).toEqual([null, null, '= 0']);
  });
});
