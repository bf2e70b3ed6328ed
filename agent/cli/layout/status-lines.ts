/**
 * `baton status`: what somebody with five Pis wants to see at a glance, from the top down:
 * one sentence that says whether all is well, what the next death would cost, the nodes, what a
 * person should look at, and the last decision. Pure: answer in, lines out.
 *
 * Says only what the reports say. A node that is not heard is not heard from here; not "dead".
 */
import type { NodeReport } from '../../../shared/protocol/report.ts';
import type { StatusAnswer } from '../control.ts';
import { type ClusterView, clusterView, heardOnly, type NodeRow } from './cluster-view.ts';
import { blank, hanging, type Line, line, type Span, span, type Tone } from './lines.ts';
import { type Column, table } from './table.ts';
import { ago, count, duration, list } from './words.ts';

/** A receiver further behind than this is shown as a warning: the bar for a healthy stream. */
const LATE_MS = 1000;
const LABEL = 11;

export function statusLines(answer: StatusAnswer, width: number): Line[] {
  const view = clusterView(answer);
  const heard = heardOnly(answer);
  const sections = [
    [headline(view), ...facts(view), ...brokers(answer)],
    table(nodeColumns(view), view.rows, width),
    findings(heard),
    lastDecision(heard, view),
  ];
  return sections
    .filter((section) => section.length > 0)
    .flatMap((one) => [blank, ...one])
    .slice(1);
}

/** `label      text`, continued under the text. */
const fact = (label: string, ...spans: readonly (Span | string)[]): Line =>
  hanging(LABEL, span(label.padEnd(LABEL), 'dim'), ...spans);

function headline(view: ClusterView): Line {
  const nodes = count(view.rows.length, 'node');
  if (view.master === null) {
    return line(span('No master', 'bad'), ` among ${nodes} · last epoch ${view.epoch}`);
  }
  const report = view.masterReport;
  const serving = report?.role === 'master' && report.phase === 'serving';
  const tone: Tone = report === null ? 'bad' : serving ? 'good' : 'warn';
  const state = report === null ? silenceOf(view.master, view) : words(report.phase);
  return line(
    span(view.master, 'strong'),
    ` is master of ${nodes} · `,
    span(state, tone),
    ` · epoch ${view.epoch}`,
  );
}

/** `not heard for 7.5 s`, or `not heard of`: nothing ever came from it. */
function silenceOf(name: string, view: ClusterView): string {
  const silentMs = view.rows.find((row) => row.name === name)?.silentMs ?? null;
  return silentMs === null ? 'not heard of' : `not heard for ${duration(silentMs)}`;
}

function facts(view: ClusterView): Line[] {
  const report = view.masterReport;
  const lines: Line[] = [];
  if (report !== null) {
    const left = report.lease_left_ms;
    const lease = left === null ? span('none held', 'bad') : span(`${duration(left)} left`);
    const api = report.api === null ? '' : ` · API ${report.api}`;
    lines.push(fact('lease', lease, `${api} · server: ${report.k3s}`));
  }
  lines.push(votes(view));
  if (view.members.length > 0) lines.push(nextMaster(view));
  for (const stale of view.stale) {
    const text = `${stale.node} still calls itself master, of epoch ${stale.epoch}: it is fenced `;
    lines.push(fact('beware', span(`${text}when its lease runs out`, 'warn')));
  }
  return lines;
}

/** How many voters may still fail, in words, before nobody can be granted the lease. */
function votes(view: ClusterView): Line {
  if (view.members.length === 0) {
    const text = 'none yet: founded when all have answered, or by `baton found`';
    return fact('voters', span(text, 'warn'));
  }
  const missing = view.members.filter((name) => !view.reachable.includes(name));
  const { reachable, members, majority } = view;
  const unheard = missing.length === 0 ? '' : ` (not ${list(missing)})`;
  const heard = `${reachable.length} of ${members.length} heard${unheard}, ${majority} needed`;
  return fact('voters', `${heard} · `, spare(view));
}

function spare(view: ClusterView): Span {
  if (view.spare < 0) {
    const text = 'no majority: nobody can become master, or this node is cut off; start another';
    return span(text, 'bad');
  }
  if (view.members.length === 1) return span('a cluster of one has nobody to fail over to', 'warn');
  if (!view.promotesAlone) {
    return span('two voters: nobody is promoted alone, add a witness', 'warn');
  }
  if (view.spare === 0) return span('none may fail', 'warn');
  return span(`${view.spare} more may fail`, 'good');
}

/** Who would take over if the master died this moment, as far as can be known from here. */
function nextMaster(view: ClusterView): Line {
  const label = 'next';
  const [first] = view.next;
  if (first === undefined) return fact(label, span('nobody holds a replica to take over', 'bad'));
  const row = view.rows.find((one) => one.name === first);
  const others = view.next.length > 1 ? `, then ${list(view.next.slice(1))}` : '';
  // Before it serves, a new master feeds nobody; without one, nobody knows who is behind.
  if (view.masterReport?.phase !== 'serving') return fact(label, first, others);
  if (row?.behind.kind !== 'measured') {
    return fact(label, first, others, ', ', span('whose replica the master does not feed', 'warn'));
  }
  const { revisions, ms } = row.behind;
  const tone = ms > LATE_MS ? 'warn' : 'good';
  const state = revisions === 0 ? 'in step' : `${count(revisions, 'revision')} behind`;
  return fact(label, first, others, ' · ', span(`${state}, ${duration(ms)}`, tone));
}

/** Only when one is missing: nothing safe needs any of them, so all is well is not worth a line. */
function brokers({ coordinators }: StatusAnswer): Line[] {
  const lost = coordinators.filter(({ connected }) => !connected).map(({ node }) => node);
  if (lost.length === 0) return [];
  const up = coordinators.length - lost.length;
  const rest =
    up === 0 ? 'messages go by the direct links alone' : 'the others and the direct links carry on';
  const text = `${up} of ${coordinators.length} connected (not ${list(lost)}) · `;
  return [fact('brokers', text, span(rest, 'warn'))];
}

/** `stepping_down` as people write it; a node that is `silent` (rule L2) has just booted. */
const words = (phase: string): string =>
  phase === 'silent' ? 'just booted' : phase.replaceAll('_', ' ');

const roleTones: Readonly<Record<NodeReport['role'], Tone>> = {
  master: 'strong',
  receiver: 'plain',
  witness: 'plain',
  follower: 'plain',
  fenced: 'bad',
};

function nodeColumns(view: ClusterView): Column<NodeRow>[] {
  const heard =
    (cell: (report: NodeReport, row: NodeRow) => Span) =>
    (row: NodeRow): Span =>
      row.report === null ? span('-', 'dim') : cell(row.report, row);
  return [
    {
      title: 'node',
      rank: 0,
      align: 'left',
      cell: (row) =>
        span(`${row.isMaster ? '*' : ' '} ${row.name}`, row.isMaster ? 'strong' : 'plain'),
    },
    {
      title: 'role',
      rank: 0,
      align: 'left',
      cell: heard((one) => span(one.role, roleTones[one.role])),
    },
    { title: 'state', rank: 1, align: 'left', cell: state },
    { title: 'behind', rank: 0, align: 'right', cell: lag },
    { title: 'revision', rank: 2, align: 'right', cell: heard((one) => position(one, view)) },
    { title: 'votes', rank: 3, align: 'left', cell: (row) => vote(row) },
    {
      title: 'memory',
      rank: 4,
      align: 'right',
      cell: heard((one) => span(`${Math.round(one.memory.anon_mb)} MB`)),
    },
    { title: 'epoch', rank: 5, align: 'right', cell: heard((one) => span(`${one.epoch}`)) },
    { title: '', rank: 6, align: 'left', cell: (row) => span(row.isSelf ? '<- here' : '', 'dim') },
  ];
}

const settled = new Set(['serving', 'following']);

const state = (row: NodeRow): Span =>
  row.report === null
    ? span(row.silentMs === null ? 'not heard of' : `unheard ${duration(row.silentMs)}`, 'bad')
    : span(words(row.report.phase), settled.has(row.report.phase) ? 'plain' : 'warn');

function lag(row: NodeRow): Span {
  if (row.report === null) return span('-', 'dim');
  if (row.behind.kind === 'none') return span('-', 'dim');
  if (row.behind.kind === 'not-streaming') return span('no stream', 'warn');
  const { revisions, ms } = row.behind;
  const text = revisions === 0 ? `in step ${duration(ms)}` : `${revisions} rev ${duration(ms)}`;
  return span(text, ms > LATE_MS ? 'warn' : 'good');
}

/** The revision; with its lineage epoch where that differs from the master's. */
function position(report: NodeReport, view: ClusterView): Span {
  if (report.revision === 0) return span('-', 'dim');
  const lineage = view.masterReport?.lineage_epoch ?? report.lineage_epoch;
  const forked = report.lineage_epoch !== lineage;
  return forked
    ? span(`${report.revision} of epoch ${report.lineage_epoch}`, 'warn')
    : span(`${report.revision}`);
}

const vote = (row: NodeRow): Span => {
  if (row.member) return span('yes');
  return row.report?.voter === true ? span('left', 'warn') : span('no', 'dim');
};

/** What a person must look at, the local node's first. */
function findings(answer: StatusAnswer): Line[] {
  const others = answer.reports.filter((report) => report.node !== answer.self.node);
  return [answer.self, ...others].flatMap((report) =>
    report.findings.map((one) =>
      hanging(
        2,
        span('! ', 'warn'),
        span(report.node, 'strong'),
        `: ${one.text} `,
        span(`(${one.code})`, 'dim'),
      ),
    ),
  );
}

/** The newest reason under the highest epoch, preferably the master's own. */
function lastDecision(answer: StatusAnswer, view: ClusterView): Line[] {
  const teller = [view.masterReport, answer.self].find(
    (report) => (report?.reasons.length ?? 0) > 0,
  );
  const last = teller?.reasons.at(-1);
  if (teller === undefined || teller === null || last === undefined) return [];
  return [fact('last', `${teller.node}, ${ago(last.ago_ms)}: ${last.reason}`)];
}
