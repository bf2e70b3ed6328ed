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
import { type ClusterView, clusterView } from './cluster-view.ts';
import { blank, hanging, type Line, line, span } from './lines.ts';
import { ago, byName, duration } from './words.ts';

export interface WhyOptions {
  /** Also what the other nodes decided, and everything the master still remembers. */
  readonly everybody: boolean;
}

const TIME = 18;

export function whyLines(answer: StatusAnswer, options: WhyOptions): Line[] {
  const view = clusterView(answer);
  const teller = view.masterReport ?? answer.self;
  const sections = [
    story(view, teller, options),
    promotion(view),
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

/** The steps of the promotion, each with what it took. */
function promotion(view: ClusterView): Line[] {
  const steps = view.masterReport?.promotion ?? [];
  if (steps.length === 0) return [];
  let before = 0;
  const lines = steps.map((step) => {
    const took = step.at_ms - before;
    before = step.at_ms;
    const at = `+${duration(step.at_ms)}`.padStart(TIME - 2);
    return hanging(
      TIME + 2,
      span(`  ${at}  `, 'dim'),
      step.step,
      span(` (${duration(took)})`, 'dim'),
    );
  });
  return [title('Promotion, counted from the vacancy'), ...lines];
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

/** The scout's order with its reasons; positions decide before it. */
function ranking(answer: StatusAnswer, view: ClusterView): Line[] {
  const best =
    view.next.length === 0
      ? line('  nobody else holds a replica')
      : line(`  by replica: ${view.next.join(', ')}`);
  if (answer.ranking === null) {
    const text = '  no scout has been heard: among equal replicas the name decides';
    return [title('Who would be next'), best, line(span(text, 'dim'))];
  }
  const by = line(span(`  among equals, by the scout on ${answer.ranking.coordinator}:`, 'dim'));
  const entries = answer.ranking.order.map((entry, at) =>
    hanging(
      8,
      `  ${`${at + 1}.`.padStart(4)} ${entry.node}`,
      span(` (${entry.score})`, 'dim'),
      entry.reasons.length === 0 ? '' : `: ${entry.reasons.join('; ')}`,
    ),
  );
  return [title('Who would be next'), best, by, ...entries];
}
