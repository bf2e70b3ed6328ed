/** The scout's order with its reasons, and the cluster as people see it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterItems, clusterView } from '../../../coordinator/core/cluster-view.ts';
import {
  findingPenalties,
  penalties,
  rank,
  type ScoutNode,
  type Sighting,
  START_POINTS,
} from '../../../coordinator/core/scout.ts';
import type { NodeReport } from '../../../shared/protocol/report.ts';
import { decodeRanking, encodeRanking } from '../../../shared/protocol/report-codec.ts';
import { reportOf } from './report-sample.ts';

const silentAfterMs = 15_000;

const seen = (report: NodeReport, ageMs = 100, online = true): Sighting => ({
  report,
  ageMs,
  online,
});
const sightingsOf = (...sightings: Sighting[]): Map<string, Sighting> =>
  new Map(sightings.map((sighting) => [sighting.report?.node ?? '', sighting]));

const nodes: readonly ScoutNode[] = ['pi1', 'pi2', 'pi3', 'pi4'].map((name) => ({
  name,
  eligible: name !== 'pi4',
  weight: 0,
}));

const scouted = (sightings: Map<string, Sighting>, settings = nodes, master = 'pi1') =>
  rank({ coordinator: 'pi1', nodes: settings, sightings, master, silentAfterMs });

const master = reportOf('pi1', { role: 'master', phase: 'serving', epoch: 3, revision: 900 });

describe('the order', () => {
  it('leaves out the master and who may never be one', () => {
    const ranking = scouted(
      sightingsOf(
        seen(master),
        seen(reportOf('pi2')),
        seen(reportOf('pi3')),
        seen(reportOf('pi4')),
      ),
    );
    expect(ranking.order.map((entry) => entry.node)).toEqual(['pi2', 'pi3']);
    expect(ranking.order[0]).toEqual({
      node: 'pi2',
      score: START_POINTS,
      reasons: ['nothing speaks against it'],
    });
  });

  it('keeps equals in the settings’ order', () => {
    const alike = sightingsOf(seen(reportOf('pi3')), seen(reportOf('pi2')), seen(reportOf('pi1')));
    const ranking = rank({
      coordinator: 'c',
      nodes,
      sightings: alike,
      master: null,
      silentAfterMs,
    });
    expect(ranking.order.map((entry) => entry.node)).toEqual(['pi1', 'pi2', 'pi3']);
  });

  it('adds the user’s weight', () => {
    const weighted = nodes.map((node) => (node.name === 'pi3' ? { ...node, weight: 20 } : node));
    const ranking = scouted(
      sightingsOf(seen(master), seen(reportOf('pi2')), seen(reportOf('pi3'))),
      weighted,
    );
    expect(ranking.order[0]).toEqual({
      node: 'pi3',
      score: START_POINTS + 20,
      reasons: ['+20 weight in the settings'],
    });
  });

  const against: readonly [string, Sighting | null, number, RegExp][] = [
    ['never heard', null, penalties.absent, /has not reported yet/],
    ['offline', seen(reportOf('pi2'), 100, false), penalties.absent, /is offline/],
    ['silent', seen(reportOf('pi2'), 21_000), penalties.absent, /not reported for 21 s/],
    ['empty', seen(reportOf('pi2', { revision: 0 })), penalties.emptyReplica, /no revision yet/],
    [
      'an old lineage',
      seen(reportOf('pi2', { lineage_epoch: 2, revision: 5000 })),
      penalties.olderLineage,
      /of epoch 2, the best of 3/,
    ],
    ['behind', seen(reportOf('pi2', { revision: 853 })), 47, /47 revisions behind/],
    [
      'far behind',
      seen(reportOf('pi2', { revision: 1 })),
      penalties.revisionsBehindMost,
      /899 revisions behind/,
    ],
    ['sitting out', seen(reportOf('pi2', { phase: 'sitting_out' })), 500, /sits out/],
    ['just booted', seen(reportOf('pi2', { phase: 'silent' })), 150, /just booted/],
    [
      'low voltage',
      seen(reportOf('pi2', { findings: [{ code: 'undervoltage', text: 'low' }] })),
      findingPenalties.undervoltage ?? 0,
      /finding undervoltage/,
    ],
    [
      'an unknown finding',
      seen(reportOf('pi2', { findings: [{ code: 'constructor', text: '' }] })),
      penalties.otherFinding,
      /finding constructor/,
    ],
  ];
  it.each(against)('%s: points taken, with the reason', (_name, sighting, points, reason) => {
    const rest = [seen(master), seen(reportOf('pi3'))];
    const sightings = sightingsOf(...rest);
    if (sighting !== null) sightings.set('pi2', sighting);
    const ranking = scouted(sightings);
    const entry = ranking.order.find((row) => row.node === 'pi2');
    // An old lineage counts by its epoch, not by its larger number.
    expect(entry?.score).toBe(START_POINTS - points);
    expect(entry?.reasons.join()).toMatch(reason);
    expect(entry?.reasons.join()).toContain(`-${points} `);
    expect(ranking.order.at(-1)?.node).toBe('pi2');
  });

  it('sees a slow receiver by what the master says of it', () => {
    const slow = { node: 'pi2', lineage_epoch: 3, revision: 899, lag_revisions: 1, lag_ms: 900 };
    const telling = { ...master, receivers: [slow] };
    const ranking = scouted(
      sightingsOf(seen(telling), seen(reportOf('pi2')), seen(reportOf('pi3'))),
    );
    expect(ranking.order.map((entry) => entry.node)).toEqual(['pi3', 'pi2']);
    expect(ranking.order[1]?.reasons).toEqual(['-30 acknowledges 900 ms late']);
  });

  it('takes the lag from the master, not from reports of two moments', () => {
    const line = { node: 'pi2', lineage_epoch: 3, revision: 899, lag_revisions: 1, lag_ms: 4 };
    const telling = { ...master, revision: 1900, receivers: [line] };
    const ranking = scouted(
      sightingsOf(seen(telling), seen(reportOf('pi2')), seen(reportOf('pi3'))),
    );
    expect(ranking.order.map((entry) => [entry.node, ...entry.reasons])).toEqual([
      ['pi2', 'nothing speaks against it'],
      ['pi3', '-200 1000 revisions behind'],
    ]);
  });

  it('does not hold the past against a node', () => {
    const findings = [{ code: 'lone-revisions', text: 'it was master before' }];
    const ranking = scouted(sightingsOf(seen(master), seen(reportOf('pi2', { findings }))));
    expect(ranking.order[0]).toMatchObject({ node: 'pi2', score: START_POINTS });
  });

  it('takes the same finding once, however often it is listed', () => {
    const findings = Array.from({ length: 9 }, () => ({ code: 'wireless', text: 'wlan0' }));
    const ranking = scouted(sightingsOf(seen(master), seen(reportOf('pi2', { findings }))));
    expect(ranking.order.find((row) => row.node === 'pi2')?.score).toBe(START_POINTS - 15);
  });

  it('is the sum of its reasons, ranks every receiver once, and crosses the wire', () => {
    const sighting = fc.record({
      report: fc.record({
        revision: fc.integer({ min: 0, max: 1000 }),
        lineage_epoch: fc.integer({ min: 0, max: 4 }),
        phase: fc.constantFrom('following', 'sitting_out', 'silent'),
        findings: fc.array(
          fc.record({ code: fc.constantFrom('disk-full', 'wireless', 'x'), text: fc.string() }),
          { maxLength: 3 },
        ),
      }),
      ageMs: fc.integer({ min: 0, max: 60_000 }),
      online: fc.boolean(),
    });
    fc.assert(
      fc.property(sighting, sighting, (two, three) => {
        const sightings = new Map<string, Sighting>([
          ['pi1', seen(master)],
          ['pi2', { ...two, report: reportOf('pi2', two.report) }],
          ['pi3', { ...three, report: reportOf('pi3', three.report) }],
        ]);
        const ranking = scouted(sightings);
        expect(ranking.order.map((entry) => entry.node).sort()).toEqual(['pi2', 'pi3']);
        for (const entry of ranking.order) {
          const given = entry.reasons.map((reason) => Number.parseInt(reason, 10) || 0);
          expect(entry.score).toBe(given.reduce((sum, one) => sum + one, START_POINTS));
        }
        expect(decodeRanking(encodeRanking(ranking), 'pi1')).toEqual({ ok: true, ranking });
      }),
    );
  });
});

describe('the cluster for people', () => {
  const receiver = { node: 'pi2', lineage_epoch: 3, revision: 898, lag_ms: 4 };
  const telling = {
    ...master,
    receivers: [
      { ...receiver, lag_revisions: 2 },
      { ...receiver, node: 'pi3', lag_revisions: 40 },
    ],
    reasons: [{ ago_ms: 5, epoch: 3, reason: 'a majority\ngranted the lease' }],
  };

  it('shows master, epoch, reason and what a failover would lose', () => {
    const sightings = sightingsOf(seen(telling), seen(reportOf('pi2')), seen(reportOf('pi3')));
    const items = clusterItems(clusterView(sightings, silentAfterMs), scouted(sightings));
    expect(Object.fromEntries(items)).toEqual({
      master: 'pi1',
      epoch: '3',
      reason: 'a majority granted the lease',
      lag_revisions: '2',
      ranking: 'pi2 pi3',
      'scout/pi2/score': '100',
      'scout/pi2/reasons': 'nothing speaks against it',
      'scout/pi3/score': '60',
      'scout/pi3/reasons': '-40 40 revisions behind',
    });
  });

  it('tells how the master came about, not what it said last', () => {
    const reasons = [
      { ago_ms: 900, epoch: 2, reason: 'followed pi3' },
      { ago_ms: 500, epoch: 3, reason: 'won the lease' },
      { ago_ms: 5, epoch: 3, reason: 'serves' },
    ];
    const view = clusterView(sightingsOf(seen({ ...master, reasons })), silentAfterMs);
    expect(view.reason).toBe('won the lease');
    expect(clusterView(new Map(), silentAfterMs).reason).toBe('nobody reports holding the lease');
  });

  it('shows the higher epoch while two nodes say they are master', () => {
    const newer = reportOf('pi2', { role: 'master', epoch: 4 });
    expect(clusterView(sightingsOf(seen(telling), seen(newer)), silentAfterMs).master).toBe('pi2');
  });

  it.each([
    ['silent', seen(telling, silentAfterMs + 1)],
    ['offline', seen(telling, 10, false)],
  ])('shows none when the master is %s, and keeps the epoch', (_name, sighting) => {
    const view = clusterView(sightingsOf(sighting), silentAfterMs);
    expect(view).toMatchObject({ master: null, epoch: 3, lagRevisions: null });
    expect(view.reason).toMatch(/^pi1, master of epoch 3, (is offline|reports nothing any more)$/);
  });
});
