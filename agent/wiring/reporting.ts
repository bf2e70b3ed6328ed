/**
 * What this node tells others: its report at an interval and on change, and the answer to `status`.
 * The report is built when it is wanted and kept nowhere.
 */
import type { NodeReport } from '../../shared/protocol/report.ts';
import { createPublisher, type Publisher } from '../actions/publisher.ts';
import { serverProgram } from '../actions/server-command.ts';
import type { StatusAnswer } from '../cli/control.ts';
import { buildReport } from '../report.ts';
import type { Parts } from './parts.ts';
import { readFigures } from './process-figures.ts';

export interface Reporting {
  readonly publisher: Publisher;
  status(): StatusAnswer;
}

export function openReporting(parts: Parts): Reporting {
  const { place, carriers } = parts;
  const startedMs = place.clock.wall();
  let sequence = 0;
  const build = (): NodeReport => {
    sequence += 1;
    return report(parts, sequence, startedMs);
  };
  const publisher = createPublisher({
    clock: place.clock,
    build,
    publishReport: (json) => carriers.bus.publishReport(json),
    publishValue: (topic, value) => carriers.bus.publish(topic, value, { retain: true }),
    sendToPeers: carriers.sendReport,
    hasBroker: () => carriers.bus.connected().length > 0,
    failed: (text) => place.log.warn({}, `no report this time: ${text}`),
  });
  const { peers, bus } = carriers;
  const coordinators = place.settings.cluster.nodes.filter(({ coordinator }) => coordinator);
  return {
    publisher,
    status() {
      const connected = bus.connected();
      return {
        self: build(),
        reports: peers.reports(),
        heard: peers.heard(),
        ranking: peers.ranking(connected),
        coordinators: coordinators.map(({ name }) => ({
          node: name,
          connected: connected.includes(name),
        })),
      };
    },
  };
}

function report(parts: Parts, sequence: number, startedMs: number): NodeReport {
  const { place, stream } = parts;
  const view = parts.view();
  return buildReport({
    view,
    self: place.self,
    now: place.clock.now(),
    bootId: place.bootId,
    startedMs,
    sequence,
    api: apiOf(parts, view.master),
    datastore: stream.replication.facts(),
    receivers: stream.replication.receivers(),
    k3s: serverProgram(place.settings, place.environment),
    figures: readFigures(place.files),
    findings: place.findings.list(),
    promotion: parts.timeline.entries(),
  });
}

/** Where the API is, once the followed master says that it answers. */
function apiOf({ follow }: Parts, master: string | null): string | null {
  const latest = follow.latest();
  if (latest === null || !latest.serving || latest.master !== master) return null;
  return `${latest.apiHost}:${latest.apiPort}`;
}
