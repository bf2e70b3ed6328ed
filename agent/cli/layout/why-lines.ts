/**
 * `baton why`: how the present master came to be, step by step, and who would be next and why.
 * Pure: answer in, lines out.
 *
 * The chain is told by the master itself (its own reasons and promotion steps); with `everybody`
 * the other nodes' reasons of the same epochs follow, each in its own order: clocks of different
 * machines are never put into one order.
 */
import type { NodeReport } from '../../../shared/protocol/report.ts';
import type { StatusAnswer } from '../control.ts';
import { type ClusterView, clusterView, heardOnly } from './cluster-view.ts';
import { blank, hanging, type Line, line, span } from './lines.ts';
import { ago, byName, count, duration } from './words.ts';

export interface WhyOptions {
  /** Also what the other nodes decided, and everything the master still remembers. */
  readonly everybody: boolean;
}

const TIME = 18;

export function whyLines(everything: StatusAnswer, options: WhyOptions): Line[] {
  const answer = heardOnly(everything);
  const view = clusterView(answer);
  const teller = view.masterReport ?? answer.self;
  const sections = [
    story(view, teller, options),
    promotion(view, teller),
    ...(options.everybody ? others(answer, view, teller) : []),
    ranking(answer, view),
  ];
  return sections
    .filter((section) => section.length > 0)
    .flatMap((one) => [blank, ...one])
    .slice(1);
}

const title = (text: string): Line => line(span(text, 'strong'));

function story(view: ClusterView, teller: NodeReport, options: WhyOptions): Line[] {
  const head =
    view.master === null
      ? `No master since epoch ${view.epoch}; what ${teller.node} knows of it`
      : view.master === teller.node
        ? `Why ${view.master} is master (epoch ${view.epoch})`
        : `Why ${view.master} is master (epoch ${view.epoch}), told by ${teller.node}`;
  const told = options.everybody ? teller.reasons : sinceChange(teller.reasons, view.epoch);
  if (told.length === 0) {
    return [title(head), line('  nothing is remembered: the agent was restarted after the change')];
  }
  return [title(head), ...told.map((one) => moment(one.ago_ms, one.reason))];
}

/** Reasons of this epoch, and the two before them: what led up to the change. */
function sinceChange(reasons: NodeReport['reasons'], epoch: number): NodeReport['reasons'] {
  const first = reasons.findIndex((one) => one.epoch >= epoch);
  return first < 0 ? reasons.slice(-3) : reasons.slice(Math.max(0, first - 2));
}

const moment = (agoMs: number, reason: string): Line =>
  hanging(TIME + 2, span(`  ${ago(agoMs).padStart(TIME - 2)}  `, 'dim'), reason);

/** Steps are told when they end, so the time since the line before is what they took. */
const step = /^[a-z]+(?:_[a-z]+)+(?: failed)?$/;

/** The steps of the promotion, each with what it took. */
function promotion(view: ClusterView, teller: NodeReport): Line[] {
  const { promotion: steps } = teller;
  if (steps.length === 0) return [];
  const lines = steps.map(({ step: name, at_ms }, at) => {
    const took = at_ms - (steps[at - 1]?.at_ms ?? at_ms);
    const time = `+${duration(at_ms)}`.padStart(TIME - 2);
    return hanging(
      TIME + 2,
      span(`  ${time}  `, 'dim'),
      name.replaceAll('_', ' '),
      span(step.test(name) && took > 0 ? ` (${duration(took)})` : '', 'dim'),
    );
  });
  const what = view.master === teller.node ? 'Promotion' : `What ${teller.node} saw`;
  return [title(`${what}, counted from the vacancy`), ...lines];
}

/** What the other nodes decided in the same epoch, one block per node. */
function others(answer: StatusAnswer, view: ClusterView, teller: NodeReport): Line[][] {
  const reports = [...answer.reports, answer.self]
    .filter((report, at, all) => all.findLastIndex((one) => one.node === report.node) === at)
    .filter((report) => report.node !== teller.node)
    .sort((one, other) => byName(one.node, other.node));
  return reports.map((report) => {
    const told = sinceChange(report.reasons, view.epoch);
    if (told.length === 0) return [];
    return [
      title(`What ${report.node} decided`),
      ...told.map((one) => moment(one.ago_ms, one.reason)),
    ];
  });
}

/** The candidates in order, each with its replica and what the scout says of it. */
function ranking(answer: StatusAnswer, view: ClusterView): Line[] {
  const head = title('Who would be next');
  if (view.next.length === 0) return [head, line('  nobody: no other node holds a replica')];
  const entries = view.next.map((name, at) =>
    hanging(
      8,
      `  ${`${at + 1}.`.padStart(4)} ${name}: `,
      [...replica(name, view), ...scouted(name, answer)].join('; '),
    ),
  );
  return [head, ...entries, line(span(`  ${ruleOf(answer)}`, 'dim'))];
}

/** The rule by which the order came to be (LEASE rule L14). */
const ruleOf = ({ ranking: heard }: StatusAnswer): string =>
  heard === null
    ? 'The better replica wins; among equals the name, as no scout is heard.'
    : `The better replica wins; among equals the scout decides (on ${heard.coordinator}).`;

function replica(name: string, view: ClusterView): string[] {
  const row = view.rows.find((one) => one.name === name);
  if (row?.behind.kind === 'measured') {
    const { revisions, ms } = row.behind;
    const how = revisions === 0 ? 'in step' : `${count(revisions, 'revision')} behind`;
    return [`${how}, ${duration(ms)}`];
  }
  const { report } = row ?? {};
  if (report === null || report === undefined) return [];
  return [`at revision ${report.revision} of epoch ${report.lineage_epoch}`];
}

function scouted(name: string, { ranking: heard }: StatusAnswer): string[] {
  const entry = heard?.order.find((one) => one.node === name);
  if (entry === undefined) return [];
  const reasons = entry.reasons.length === 0 ? '' : `: ${entry.reasons.join(', ')}`;
  return [`scout ${entry.score}${reasons}`];
}
