/** What the coordinator publishes, when, and what it takes back. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ClusterPublisher } from '../../../coordinator/publisher.ts';
import { SightingBook } from '../../../coordinator/sightings.ts';
import { type FakeClock, fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import type { NodeReport } from '../../../shared/protocol/report.ts';
import { decodeRanking, encodeReport } from '../../../shared/protocol/report-codec.ts';
import { milliseconds, seconds } from '../../../shared/time/duration.ts';
import { reportOf } from './report-sample.ts';

let clock: FakeClock;
let book: SightingBook;
let publisher: ClusterPublisher;
/** Every message, oldest first. */
let sent: [topic: string, payload: string][];
let lines: string[];
let figures: Record<string, number>;

const retained = (): Map<string, string> => {
  const map = new Map<string, string>();
  for (const [topic, payload] of sent) {
    if (payload === '') map.delete(topic);
    else map.set(topic, payload);
  }
  return map;
};

const hear = (report: NodeReport): void => {
  expect(book.report(report.node, Buffer.from(encodeReport(report)))).toBe(true);
  publisher.changed();
};

beforeEach(() => {
  clock = fakeClock();
  sent = [];
  lines = [];
  figures = { connections: 0 };
  const nodes = ['pi1', 'pi2', 'pi3'].map((name) => ({ name, eligible: true, weight: 0 }));
  book = new SightingBook(
    nodes.map(({ name }) => name),
    clock,
  );
  const say = (_context: object, text: string): void => void lines.push(text);
  publisher = new ClusterPublisher({
    coordinator: 'pi2',
    nodes,
    book,
    silentAfterMs: 15_000,
    clock,
    log: { info: say, warn: say },
    publish: (topic, payload, { retain }) => {
      expect(retain).toBe(true);
      sent.push([topic, payload]);
    },
    figures: () => figures,
  });
  publisher.start();
});

const master = (node: string, epoch: number): NodeReport =>
  reportOf(node, {
    role: 'master',
    epoch,
    reasons: [{ ago_ms: 0, epoch, reason: `${node} was given the lease` }],
  });

describe('the publisher', () => {
  it('shows that nothing is known, and whose view it is, before anybody reports', () => {
    expect(retained().get('baton/cluster/master')).toBe('none');
    expect(retained().get('baton/cluster/coordinator')).toBe('pi2');
    expect(retained().get('baton/cluster/scout/pi1/reasons')).toMatch(/has not reported yet/);
  });

  it('works a burst of reports out once, and publishes only what changed', () => {
    sent.length = 0;
    for (const node of ['pi2', 'pi3']) hear(reportOf(node));
    hear(master('pi1', 3));
    expect(sent).toEqual([]);
    clock.advance(milliseconds(100));
    const topics = sent.map(([topic]) => topic);
    expect(new Set(topics).size).toBe(topics.length);
    expect(retained().get('baton/cluster/master')).toBe('pi1');
    sent.length = 0;
    hear(reportOf('pi2'));
    clock.advance(milliseconds(100));
    expect(sent).toEqual([]);
  });

  it('publishes the ranking with reasons, as agents take it', () => {
    hear(master('pi1', 3));
    hear(reportOf('pi2', { findings: [{ code: 'undervoltage', text: 'low' }] }));
    hear(reportOf('pi3'));
    clock.advance(milliseconds(100));
    const json = retained().get('baton-wire/coordinator-pi2/ranking') ?? '';
    expect(decodeRanking(json, 'pi2')).toEqual({
      ok: true,
      ranking: {
        coordinator: 'pi2',
        order: [
          { node: 'pi3', score: 100, reasons: ['nothing speaks against it'] },
          { node: 'pi2', score: 20, reasons: ['-80 finding undervoltage'] },
        ],
      },
    });
    expect(retained().get('baton/cluster/ranking')).toBe('pi3 pi2');
  });

  it('takes the score of a node back when it becomes master, and logs each change once', () => {
    hear(master('pi1', 3));
    hear(reportOf('pi2'));
    clock.advance(milliseconds(100));
    expect(retained().has('baton/cluster/scout/pi2/score')).toBe(true);
    expect(retained().has('baton/cluster/scout/pi1/score')).toBe(false);
    hear(master('pi2', 4));
    clock.advance(milliseconds(100));
    expect(retained().has('baton/cluster/scout/pi2/score')).toBe(false);
    expect(retained().get('baton/cluster/scout/pi1/score')).toBeDefined();
    expect(lines).toEqual([
      'master: pi1',
      'reason: pi1 was given the lease',
      'master: pi2',
      'reason: pi2 was given the lease',
    ]);
  });

  it('notices silence without any message', () => {
    hear(master('pi1', 3));
    hear(reportOf('pi2'));
    clock.advance(seconds(14));
    expect(retained().get('baton/cluster/master')).toBe('pi1');
    clock.advance(seconds(7));
    expect(retained().get('baton/cluster/master')).toBe('none');
    expect(retained().get('baton/cluster/epoch')).toBe('3');
    expect(lines.at(-1)).toBe('reason: pi1, master of epoch 3, reports nothing any more');
  });

  it('shows its own figures, and ends', () => {
    figures = { connections: 3 };
    clock.advance(seconds(5));
    expect(retained().get('baton/cluster/broker/connections')).toBe('3');
    publisher.stop();
    sent.length = 0;
    figures = { connections: 4 };
    publisher.stop();
    clock.advance(seconds(60));
    expect(sent).toEqual([]);
  });
});

describe('the book of sightings', () => {
  it('counts what is no report of a known node, and keeps nothing of it', () => {
    const bytes = Buffer.from(encodeReport(reportOf('pi1')));
    expect(book.report('pi9', bytes)).toBe(false);
    expect(book.report('pi2', bytes)).toBe(false);
    expect(book.report('pi1', bytes.subarray(1))).toBe(false);
    expect(book.ignored).toBe(3);
    expect(book.sightings().size).toBe(0);
  });

  it('believes the will of this boot, not of an earlier one', () => {
    hear(reportOf('pi1'));
    expect(book.status('pi1', Buffer.from('offline another-boot'))).toBe(false);
    expect(book.sightings().get('pi1')?.online).toBe(true);
    expect(book.status('pi1', Buffer.from('offline boot-of-pi1'))).toBe(true);
    expect(book.sightings().get('pi1')?.online).toBe(false);
    hear(reportOf('pi1'));
    expect(book.sightings().get('pi1')?.online).toBe(true);
  });
});
