/**
 * Validates what the agent answers on its control socket.
 *
 * Reports and ranking go through the codecs of the wire, so that one judgement serves every reader
 * of a report. Something wrong in any of them refuses the whole answer: half a picture misleads.
 */
import * as v from 'valibot';
import type { NodeReport, Ranking } from '../../shared/protocol/report.ts';
import { decodeRanking, decodeReport } from '../../shared/protocol/report-codec.ts';
import { nodeName } from '../../shared/protocol/schemas.ts';
import type { CommandAnswer, StatusAnswer } from './control.ts';

export type Answered<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string };

const statusAnswer = v.object({
  ok: v.literal(true),
  self: v.unknown(),
  reports: v.array(v.unknown()),
  ranking: v.unknown(),
  coordinators: v.array(v.object({ node: nodeName, connected: v.boolean() })),
  heard: v.array(v.object({ node: nodeName, ago_ms: v.pipe(v.number(), v.finite()) })),
});

const commandAnswer = v.object({ ok: v.boolean(), text: v.string() });

/** The agent refuses with this instead of an answer, for example for an unknown verb. */
const refusal = v.object({ ok: v.literal(false), text: v.string() });

export function parseStatus(text: string): Answered<StatusAnswer> {
  const value = json(text);
  const refused = v.safeParse(refusal, value);
  if (refused.success) return { ok: false, message: refused.output.text };
  const outer = v.safeParse(statusAnswer, value);
  if (!outer.success) return notUnderstood(outer.issues[0]);
  const { heard, coordinators } = outer.output;
  const self = report(outer.output.self);
  if (self === null) return broken('self');
  const reports: NodeReport[] = [];
  for (const [at, one] of outer.output.reports.entries()) {
    const valid = report(one);
    if (valid === null) return broken(`reports.${at}`);
    reports.push(valid);
  }
  const ranking = outer.output.ranking === null ? null : rankingOf(outer.output.ranking);
  return ranking === undefined
    ? broken('ranking')
    : { ok: true, value: { self, reports, ranking, heard, coordinators } };
}

export function parseCommandAnswer(text: string): Answered<CommandAnswer> {
  const result = v.safeParse(commandAnswer, json(text));
  return result.success ? { ok: true, value: result.output } : notUnderstood(result.issues[0]);
}

function report(value: unknown): NodeReport | null {
  const decoded = decodeReport(JSON.stringify(value) ?? '', null);
  return decoded.ok ? decoded.report : null;
}

function rankingOf(value: unknown): Ranking | undefined {
  const decoded = decodeRanking(JSON.stringify(value) ?? '', null);
  return decoded.ok ? decoded.ranking : undefined;
}

const notUnderstood = (issue: v.BaseIssue<unknown>): Answered<never> =>
  broken(`${v.getDotPath(issue) ?? 'the whole of it'}: ${issue.message}`);

const broken = (where: string): Answered<never> => ({
  ok: false,
  message:
    `the agent's answer is not understood (${where})\n` +
    'agent and command may be of different versions: compare "baton --version" with the agent\'s',
});

/** Undefined for a text that is not JSON, which no schema accepts. */
function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
