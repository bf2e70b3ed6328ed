/** Tables, timeline, figures and options of the demo. */
import { expect, test } from 'vitest';
import { readDemoOptions } from '../../lab/demo-options.ts';
import { type FaultRow, faultTable } from '../../lab/fault-table.ts';
import { makeTimeline } from '../../lab/timeline.ts';
import { faultFigures, hasGapBars, percentile, useFigures } from '../../lab/verdict.ts';
import { stateOf } from '../../lab/workload.ts';

const row = (of: Partial<FaultRow>): FaultRow => ({
  fault: 'master killed',
  node: 'node1',
  atMs: 1000,
  detectionMs: 7000,
  leaseMs: 8123,
  promotionMs: 8400,
  readyMs: 8700,
  apiGapMs: 8800,
  acknowledged: 500,
  lostOld: 0,
  lostRecent: 0,
  atRiskMs: 0,
  epoch: 2,
  master: 'node2',
  ...of,
});

test('the table has a line per fault and lines up', () => {
  const lines = faultTable([
    row({}),
    row({ node: null, fault: 'all', lostRecent: 3, atRiskMs: 40 }),
  ]);
  expect(lines).toHaveLength(4);
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  expect(lines[2]).toMatch(
    /^master killed \(node1\) .*8\.12 +8\.40 +8\.70 +8\.80 s +500 +0 +0 ms +2$/,
  );
  expect(lines[3]).toContain('0 + 3');
});

test('what was not seen is a dash', () => {
  const [, , line = ''] = faultTable([row({ detectionMs: null, readyMs: null })]);
  expect(line.split(/ {2,}/)[1]).toBe('-');
});

test('figures: gaps of kills only, losses of all, time at risk of power cuts', () => {
  const rows = [
    row({ fault: 'first start', apiGapMs: 30_000 }),
    row({ apiGapMs: 9000 }),
    row({ apiGapMs: 11_000, atRiskMs: 12, lostRecent: 1 }),
    row({ fault: 'coordinator killed', apiGapMs: 40 }),
    row({ fault: 'master’s agent frozen', lostRecent: 90, atRiskMs: 6000 }),
    row({ fault: 'all nodes killed', node: null, lostOld: 2 }),
  ];
  const facts = { rows, acknowledged: 9, twoServers: 0, unwantedFailovers: 1 };
  const values = Object.fromEntries(faultFigures(facts).map(({ name, value }) => [name, value]));
  expect(values).toEqual({
    api_gap_p50_s: 9,
    api_gap_p99_s: 11,
    api_gap_max_s: 11,
    acknowledged_writes: 9,
    lost_acknowledged_writes: 2,
    lost_recent_writes: 1,
    at_risk_max_ms: 12,
    two_servers_observed: 0,
    failovers: 4,
    unwanted_failovers: 1,
  });
});

test('percentiles take the nearest rank', () => {
  expect(percentile([3, 1, 2], 0.5)).toBe(2);
  expect(percentile([1, 2], 0.99)).toBe(2);
  expect(percentile([], 0.5)).toBeNull();
});

test('a timeline counts from its start and colours only where asked to', () => {
  const lines: string[] = [];
  const told = (colour: boolean) =>
    makeTimeline((line) => lines.push(line), { colour, startMs: 1000 });
  told(false).tell('fault', 'node1 is killed', 13_500);
  expect(lines).toEqual(['   12.5 s  ✖ node1 is killed']);
  told(true).tell('fault', 'node1 is killed', 13_500);
  expect(lines[1]).toContain('\u001b[31m');
});

test('options have defaults, and wrong ones are refused with the usage', () => {
  expect(readDemoOptions([], {})).toMatchObject({ nodes: 3, kills: 1, k3s: 'embedded', rate: 25 });
  expect(readDemoOptions([], { BATON_K3S: '/bin/k3s' })).toMatchObject({ k3s: '/bin/k3s' });
  const all = ['--nodes', '5', '--kills', '10', '--k3s', 'real', '--rate', '50', '--keep'];
  expect(readDemoOptions(all, { BATON_K3S: '/bin/k3s' })).toMatchObject({
    nodes: 5,
    kills: 10,
    k3s: 'real',
    rate: 50,
    keep: true,
    command: `demo ${all.join(' ')}`,
  });
  expect(readDemoOptions(['--help'], {})).toBeNull();
  for (const wrong of [['--nodes', '2'], ['--nodes', '3.5'], ['--kills', '0'], ['--nope'], ['x']]) {
    expect(() => readDemoOptions(wrong, {})).toThrow('usage: npm run demo');
  }
});

test('the state of a server is read from a list, without the objects of others', () => {
  const items = [
    { metadata: { name: 'baton-lab-7' }, data: { number: '41' } },
    { metadata: { name: 'kube-root-ca.crt' }, data: {} },
  ];
  expect(stateOf(JSON.stringify({ items }))).toEqual(new Map([['baton-lab-7', 41]]));
});

test('bars are left out where they were set for other conditions', () => {
  const facts = { rows: [row({ apiGapMs: 20_000 })], acknowledged: 1, twoServers: 0 };
  const bars = (gapBars: boolean) =>
    faultFigures({ ...facts, unwantedFailovers: 0 }, gapBars)
      .filter(({ name }) => name.startsWith('api_gap'))
      .map(({ bar }) => bar);
  expect(bars(true)).toEqual(['<= 12', '<= 16', '<= 15']);
  expect(bars(false)).toEqual([null, null, null]);
  expect(hasGapBars('embedded', 10)).toBe(false);
  expect(hasGapBars('real', 9)).toBe(false);
  expect(hasGapBars('real', 10)).toBe(true);
  const use = { agentRssMb: 80, agentAnonMb: 30, coordinatorRssMb: 70, coordinatorAnonMb: 26 };
  const idle = (machineBusy: number) =>
    useFigures({ ...use, agentIdleCpuPercent: 1.4, machineBusy }).at(-1)?.bar;
  expect(idle(0.1)).toBe('<= 1');
  expect(idle(0.9)).toBeNull();
});
