/**
 * Publishes this node's report: every two seconds, and soon after a change worth telling.
 *
 * To every broker as JSON (retained) with the values for people, and sealed over the direct links,
 * so that `baton status` works without any coordinator. Values for people that did not change are
 * not sent again.
 */
import type { Clock, TimerHandle } from '../../shared/ports/clock.ts';
import type { NodeReport } from '../../shared/protocol/report.ts';
import { encodeReport } from '../../shared/protocol/report-codec.ts';
import { milliseconds, seconds } from '../../shared/time/duration.ts';
import { peopleTopics } from '../report.ts';
import { throttled } from './throttle.ts';

const PERIOD = seconds(2);
/** Changes come in bunches: a promotion has a dozen within a second. */
const SOON = milliseconds(100);

export interface PublisherOptions {
  readonly clock: Clock;
  readonly build: () => NodeReport;
  readonly publishReport: (json: string) => void;
  readonly publishValue: (topic: string, value: string) => void;
  readonly sendToPeers: (report: NodeReport) => void;
}

export interface Publisher {
  /** Something changed that people wait for. */
  soon(): void;
  close(): void;
}

export function createPublisher(options: PublisherOptions): Publisher {
  const { clock } = options;
  let said: ReadonlyMap<string, string> = new Map();
  let timer: TimerHandle | null = null;

  const publish = (): void => {
    const report = options.build();
    options.publishReport(encodeReport(report));
    options.sendToPeers(report);
    const topics = peopleTopics(report);
    for (const [topic, value] of topics) {
      if (said.get(topic) !== value) options.publishValue(topic, value);
    }
    // A receiver that is gone has no lag any more: an empty retained value clears the topic.
    for (const topic of said.keys()) if (!topics.has(topic)) options.publishValue(topic, '');
    said = topics;
    timer?.cancel();
    timer = clock.in(PERIOD, soon);
  };
  const soon = throttled(clock, SOON, publish);
  soon();

  return {
    soon,
    close() {
      soon.cancel();
      timer?.cancel();
    },
  };
}
