/** Reports and rankings: round trip, shortening, and bad input. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NodeReport, Ranking } from '../../../shared/protocol/report.ts';
import {
  decodeRanking,
  decodeReport,
  encodeRanking,
  encodeReport,
  openReport,
  REPORT_LIMIT,
  sealReport,
} from '../../../shared/protocol/report-codec.ts';
import { ringOf } from './messages.ts';

const report: NodeReport = {
  node: 'pi1',
  boot_id: '2f1c',
  sequence: 12,
  started_ms: 1_790_000_000_000,
  eligible: true,
  voter: true,
  role: 'master',
  phase: 'serving',
  epoch: 3,
  master: 'pi1',
  api: '192.168.1.11:6443',
  list: { epoch: 3, number: 1, members: ['pi1', 'pi2'], previous: [], committed: true },
  lease_left_ms: 4321.5,
  lineage_epoch: 3,
  revision: 30_000_000_123,
  receivers: [
    { node: 'pi2', lineage_epoch: 3, revision: 30_000_000_120, lag_revisions: 3, lag_ms: 4.2 },
  ],
  k3s: 'k3s',
  memory: { rss_mb: 78.2, anon_mb: 25.1 },
  cpu_s: 1.25,
  reasons: [{ ago_ms: 1000, epoch: 3, reason: 'pi1 was granted the lease' }],
  findings: [{ code: 'no-nftables', text: 'nft is missing' }],
  promotion: [{ step: 'start_server', at_ms: 2100 }],
};
const ranking: Ranking = {
  coordinator: 'pi2',
  order: [{ node: 'pi2', score: 0.75, reasons: ['good power', 'wired'] }],
};

test('a report comes back as it was sent, through a broker and sealed on a link', () => {
  expect(decodeReport(encodeReport(report), 'pi1')).toEqual({ ok: true, report });
  expect(decodeReport(Buffer.from(encodeReport(report)), null)).toEqual({ ok: true, report });
  const sealed = sealReport(ringOf('pi1'), 'pi2', report) ?? new Uint8Array();
  expect(openReport(ringOf('pi2'), sealed)).toEqual({ ok: true, report });
});

test('a ranking comes back as it was sent', () => {
  expect(decodeRanking(encodeRanking(ranking), 'pi2')).toEqual({ ok: true, ranking });
});

test('nobody reports for another node', () => {
  expect(decodeReport(encodeReport(report), 'pi2')).toEqual({ ok: false, reason: 'not-its-own' });
  expect(decodeRanking(encodeRanking(ranking), 'pi1')).toMatchObject({ reason: 'not-its-own' });
  const sealed = sealReport(ringOf('pi2'), 'shelf', report) ?? new Uint8Array();
  expect(openReport(ringOf('shelf'), sealed)).toMatchObject({ reason: 'not-its-own' });
});

test('an altered seal is refused', () => {
  const sealed = sealReport(ringOf('pi1'), 'pi2', report) ?? new Uint8Array();
  fc.assert(
    fc.property(fc.nat(sealed.length - 1), (at) => {
      const altered = Uint8Array.from(sealed);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(openReport(ringOf('pi2'), altered).ok).toBe(false);
    }),
  );
});

describe('what is too long to send is shortened', () => {
  const long = 'é'.repeat(5000);
  const much: NodeReport = {
    ...report,
    k3s: long,
    reasons: Array.from({ length: 500 }, (_, at) => ({ ago_ms: at, epoch: 1, reason: long })),
    findings: Array.from({ length: 500 }, () => ({ code: long, text: long })),
    promotion: Array.from({ length: 500 }, (_, at) => ({ step: 'check_ready', at_ms: at })),
  };

  test('to a report that everybody takes, with the newest reasons', () => {
    const json = encodeReport(much);
    expect(Buffer.byteLength(json)).toBeLessThanOrEqual(REPORT_LIMIT);
    const decoded = decodeReport(json, 'pi1');
    expect(decoded.ok).toBe(true);
    if (!decoded.ok) return;
    expect(decoded.report.reasons.length).toBeGreaterThan(0);
    expect(decoded.report.reasons.at(-1)?.ago_ms).toBe(499);
  });

  test('so are a ranking of many words and a sealed report', () => {
    const order = Array.from({ length: 40 }, (_, at) => ({
      node: `n${at}`,
      score: at,
      reasons: Array.from({ length: 99 }, () => long),
    }));
    const json = encodeRanking({ coordinator: 'pi2', order });
    expect(decodeRanking(json, 'pi2')).toMatchObject({ ok: true });
    const sealed = sealReport(ringOf('pi1'), 'pi2', much) ?? new Uint8Array();
    expect(openReport(ringOf('pi2'), sealed)).toMatchObject({ ok: true });
  });
});

test('an escape sequence does not reach the terminal', () => {
  const json = JSON.stringify({ ...report, phase: '\u001b[2Jserving\u009b1m\r\n' });
  const decoded = decodeReport(json, 'pi1');
  expect(decoded.ok && decoded.report.phase).toBe(' [2Jserving 1m ');
});

describe('bad input', () => {
  test('random text and bytes are refused', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.uint8Array()), (input) => {
        expect(decodeReport(input, null).ok).toBe(false);
        expect(decodeRanking(input, null).ok).toBe(false);
        const bytes = typeof input === 'string' ? Buffer.from(input) : input;
        expect(openReport(ringOf('pi2'), bytes).ok).toBe(false);
      }),
    );
  });

  test('random JSON is refused', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(decodeReport(json, null).ok).toBe(false);
        expect(decodeRanking(json, null).ok).toBe(false);
      }),
    );
  });

  test('any field of the wrong type is refused', () => {
    for (const key of Object.keys(report)) {
      const json = JSON.stringify({ ...report, [key]: { wrong: true } });
      expect(decodeReport(json, null), key).toEqual({ ok: false, reason: 'message-invalid' });
    }
  });

  test('20 MiB are refused without being parsed', () => {
    const bytes = Buffer.alloc(20 * 1024 * 1024, '[');
    expect(decodeReport(bytes, null)).toEqual({ ok: false, reason: 'too-large' });
    expect(decodeRanking(bytes, null)).toEqual({ ok: false, reason: 'too-large' });
  });
});
