/** Which report counts, and how long a node has been silent although its report is retained. */
import { expect, test } from 'vitest';
import { peerReports } from '../../../agent/actions/peer-reports.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { encodeReport, sealReport } from '../../../shared/protocol/report-codec.ts';
import { seconds } from '../../../shared/time/duration.ts';
import { report } from '../cli/samples.ts';
import { ringOf } from '../protocol/messages.ts';

const json = (sequence: number) => Buffer.from(encodeReport(report('pi1', { sequence })));

function setUp() {
  const clock = fakeClock();
  return { clock, peers: peerReports(ringOf('pi2'), ['pi1', 'pi2'], clock) };
}

test('the newest report counts, whichever way it came', () => {
  const { peers } = setUp();
  const sealed = sealReport(ringOf('pi1'), 'pi2', report('pi1', { sequence: 8 }));
  peers.byLink('pi1', sealed ?? new Uint8Array());
  peers.byBroker('pi1', json(7));
  expect(peers.reports().map(({ node, sequence }) => [node, sequence])).toEqual([['pi1', 8]]);
});

test('the retained report of a dead node, given again, is nothing heard', () => {
  const { clock, peers } = setUp();
  peers.byBroker('pi1', json(7));
  clock.advance(seconds(5));
  peers.byBroker('pi1', json(7));
  expect(peers.heard()).toEqual([{ node: 'pi1', ago_ms: 5000 }]);
  peers.byBroker('pi1', json(8));
  expect(peers.heard()).toEqual([{ node: 'pi1', ago_ms: 0 }]);
});

test('of two lives the one that came last counts, whatever its wall clock says', () => {
  const { clock, peers } = setUp();
  peers.byBroker('pi1', json(70));
  clock.advance(seconds(60));
  const later = report('pi1', {
    sequence: 2,
    started_ms: report('pi1', {}).started_ms - 86_400_000,
  });
  peers.byLink('pi1', sealReport(ringOf('pi1'), 'pi2', later) ?? new Uint8Array());
  expect(peers.reports().map(({ sequence }) => sequence)).toEqual([2]);
  clock.advance(seconds(1));
  // The same words of its former life, once more: the broker was reconnected.
  peers.byBroker('pi1', json(70));
  expect(peers.reports().map(({ sequence }) => sequence)).toEqual([2]);
  expect(peers.heard()).toEqual([{ node: 'pi1', ago_ms: 1000 }]);
});

test('strangers and this node itself are not kept', () => {
  const { peers } = setUp();
  peers.byBroker('pi2', json(1));
  peers.byBroker('stranger', json(1));
  expect(peers.reports()).toEqual([]);
  expect(peers.heard()).toEqual([]);
});
