/**
 * Reports and rankings as JSON: for people, the CLI and the scout.
 *
 * Through a broker they travel unsealed, retained; a broker could forge them, which is why nothing
 * safe is decided from them. On direct links a report travels sealed. Texts end on somebody's
 * terminal, so control characters are replaced on arrival (an escape sequence could rewrite what
 * an operator sees). What is too long to send is shortened, never refused by the sender: a report
 * matters most on the day there is much to say.
 */
import * as v from 'valibot';
import type { Keyring } from '../crypto/keyring.ts';
import type { NodeName } from './lease-messages.ts';
import type { NodeReport, Ranking } from './report.ts';
import { counter, finite, LONGEST_TEXT, MOST_NODES, memberList, nodeName } from './schemas.ts';
import { open, SEALED_REPORT, type SealRefusal, seal } from './seal.ts';

/** Largest report or ranking, bytes of JSON. */
export const REPORT_LIMIT = 48 * 1024;
/** The same, sealed for a direct link. */
const SEALED_LIMIT = REPORT_LIMIT + 256;
/** Most lines of each list in a report. */
const MOST_LINES = 64;

export type ReportRefusal = 'too-large' | 'malformed' | 'message-invalid' | 'not-its-own';

export type DecodedReport =
  | { readonly ok: true; readonly report: NodeReport }
  | { readonly ok: false; readonly reason: ReportRefusal | SealRefusal };

export type DecodedRanking =
  | { readonly ok: true; readonly ranking: Ranking }
  | { readonly ok: false; readonly reason: ReportRefusal };

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not pass
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;
const words = v.pipe(
  v.string(),
  v.maxLength(LONGEST_TEXT),
  v.transform((value) => value.replace(control, ' ')),
);
const lines = <Line>(line: v.GenericSchema<unknown, Line>) =>
  v.pipe(v.array(line), v.maxLength(MOST_LINES));

const reportSchema: v.GenericSchema<unknown, NodeReport> = v.object({
  node: nodeName,
  boot_id: words,
  sequence: counter,
  started_ms: finite,
  eligible: v.boolean(),
  voter: v.boolean(),
  role: v.picklist(['master', 'receiver', 'witness', 'follower', 'fenced']),
  phase: words,
  epoch: counter,
  master: v.nullable(nodeName),
  api: v.nullable(words),
  list: v.nullable(memberList),
  lease_left_ms: v.nullable(finite),
  lineage_epoch: counter,
  revision: counter,
  receivers: v.pipe(
    v.array(
      v.object({
        node: nodeName,
        lineage_epoch: counter,
        revision: counter,
        lag_revisions: finite,
        lag_ms: finite,
      }),
    ),
    v.maxLength(MOST_NODES),
  ),
  k3s: words,
  memory: v.object({ rss_mb: finite, anon_mb: finite }),
  cpu_s: finite,
  reasons: lines(v.object({ ago_ms: finite, epoch: counter, reason: words })),
  findings: lines(v.object({ code: words, text: words })),
  promotion: lines(v.object({ step: words, at_ms: finite })),
});

const rankingSchema: v.GenericSchema<unknown, Ranking> = v.object({
  coordinator: words,
  order: v.pipe(
    v.array(v.object({ node: nodeName, score: finite, reasons: lines(words) })),
    v.maxLength(MOST_NODES),
  ),
});

/** The report's JSON, at most `REPORT_LIMIT` bytes; long texts and lists are cut. */
export const encodeReport = (report: NodeReport): string => {
  for (let most = MOST_LINES; most >= 1; most /= 2) {
    const json = JSON.stringify(shortened(report, most));
    if (Buffer.byteLength(json) <= REPORT_LIMIT) return json;
  }
  return JSON.stringify(shortened(report, 0));
};

/**
 * A report that came as JSON. `from` is who sent it, as far as the path proves it (the topic, the
 * link); null when nobody knows. Never throws.
 */
export const decodeReport = (json: string | Uint8Array, from: NodeName | null): DecodedReport => {
  const decoded = parse(json);
  return decoded.ok ? validateReport(decoded.value, from) : decoded;
};

export const encodeRanking = (ranking: Ranking): string =>
  JSON.stringify({
    coordinator: cut(ranking.coordinator),
    order: ranking.order.slice(0, MOST_NODES).map((row) => ({
      ...row,
      reasons: row.reasons.slice(0, MOST_RANKING_REASONS).map((reason) => reason.slice(0, 128)),
    })),
  });
/** With 128 characters each, 32 nodes' reasons stay below `REPORT_LIMIT`. */
const MOST_RANKING_REASONS = 8;

/** A ranking that came as JSON from `coordinator` (null: nobody knows). Never throws. */
export const decodeRanking = (
  json: string | Uint8Array,
  coordinator: string | null,
): DecodedRanking => {
  const decoded = parse(json);
  if (!decoded.ok) return decoded;
  const result = v.safeParse(rankingSchema, decoded.value, { abortEarly: true });
  if (!result.success) return { ok: false, reason: 'message-invalid' };
  const own = coordinator === null || result.output.coordinator === coordinator;
  return own ? { ok: true, ranking: result.output } : { ok: false, reason: 'not-its-own' };
};

/** The report sealed for a direct link; null when this node shares no key with `to`. */
export const sealReport = (keyring: Keyring, to: NodeName, report: NodeReport): Uint8Array | null =>
  // Through JSON once more, so that both paths shorten alike; reports are rare.
  seal(keyring, SEALED_REPORT, to, JSON.parse(encodeReport(report)), SEALED_LIMIT);

/** Opens and validates a report from a direct link. Never throws. */
export const openReport = (keyring: Keyring, bytes: Uint8Array): DecodedReport => {
  const opened = open(keyring, SEALED_REPORT, bytes, SEALED_LIMIT);
  return opened.ok ? validateReport(opened.value, opened.from) : opened;
};

const validateReport = (value: unknown, from: NodeName | null): DecodedReport => {
  const result = v.safeParse(reportSchema, value, { abortEarly: true });
  if (!result.success) return { ok: false, reason: 'message-invalid' };
  const own = from === null || result.output.node === from;
  return own ? { ok: true, report: result.output } : { ok: false, reason: 'not-its-own' };
};

const parse = (
  json: string | Uint8Array,
):
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly reason: ReportRefusal } => {
  if (json.length > REPORT_LIMIT) return { ok: false, reason: 'too-large' };
  const text =
    typeof json === 'string'
      ? json
      : Buffer.from(json.buffer, json.byteOffset, json.length).toString('utf8');
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, reason: 'malformed' };
  }
};

const cut = (value: string): string => value.slice(0, LONGEST_TEXT);

/** The newest `most` lines of each list (findings: the first ones), with texts of legal length. */
const shortened = (report: NodeReport, most: number): NodeReport => ({
  ...report,
  boot_id: cut(report.boot_id),
  phase: cut(report.phase),
  api: report.api === null ? null : cut(report.api),
  k3s: cut(report.k3s),
  receivers: report.receivers.slice(0, MOST_NODES),
  reasons: newest(report.reasons, most).map((row) => ({ ...row, reason: cut(row.reason) })),
  findings: report.findings
    .slice(0, most)
    .map((row) => ({ code: cut(row.code), text: cut(row.text) })),
  promotion: newest(report.promotion, most).map((row) => ({ ...row, step: cut(row.step) })),
});

// slice(-0) would be the whole list.
const newest = <Row>(rows: readonly Row[], most: number): readonly Row[] =>
  most === 0 ? [] : rows.slice(-most);
