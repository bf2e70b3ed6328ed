/**
 * Publishes this node's report: every four seconds, and soon after a change worth telling.
 *
 * To every broker as JSON (retained) with the values for people, and sealed over the direct links,
 * so that `baton status` works without any coordinator. Values for people that did not change are
 * not sent again.
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Clock, TimerHandle } from '../../shared/ports/clock.ts';
import type { NodeReport } from '../../shared/protocol/report.ts';
import { encodeReport } from '../../shared/protocol/report-codec.ts';
import { instant, milliseconds, seconds } from '../../shared/time/duration.ts';
import { peopleTopics } from '../report.ts';
import { throttled } from './throttle.ts';

const PERIOD = seconds(4);
/** Over direct links only this often while some broker is connected: they are the second way. */
const LINK_PERIOD = seconds(10);
/** Changes come in bunches: a promotion has a dozen within a second. */
const SOON = milliseconds(100);

export interface PublisherOptions {
  readonly clock: Clock;
  readonly build: () => NodeReport;
  readonly publishReport: (json: string) => void;
  readonly publishValue: (topic: string, value: string) => void;
  readonly sendToPeers: (report: NodeReport) => void;
  /** Whether any broker takes what is published. */
  readonly hasBroker: () => boolean;
  /** A report could not be built (no descriptors left, for example); the next one may. */
  readonly failed?: (text: string) => void;
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
  let linkedAt = instant(0);
  let changed = false;

  const tell = (): void => {
    const report = options.build();
    options.publishReport(encodeReport(report));
    const now = clock.now();
    if (changed || !options.hasBroker() || now - linkedAt >= LINK_PERIOD) {
      options.sendToPeers(report);
      linkedAt = now;
    }
    changed = false;
    const topics = peopleTopics(report);
    for (const [topic, value] of topics) {
      if (said.get(topic) !== value) options.publishValue(topic, value);
    }
    // A receiver that is gone has no lag any more: an empty retained value clears the topic.
    for (const topic of said.keys()) if (!topics.has(topic)) options.publishValue(topic, '');
    said = topics;
  };
  // Called in the middle of the loop's turns: what is for eyes only must not end one.
  const publish = (): void => {
    timer?.cancel();
    timer = clock.in(PERIOD, again);
    try {
      tell();
    } catch (error) {
      if (!isBatonError(error) || error.kind === 'invariant') throw error;
      options.failed?.(error.message);
    }
  };
  const again = throttled(clock, SOON, publish);
  const soon = (): void => {
    changed = true;
    again();
  };
  soon();

  return {
    soon,
    close() {
      again.cancel();
      timer?.cancel();
    },
  };
}
