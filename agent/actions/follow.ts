/**
 * Following the master: one line of /etc/hosts, and where the stream's receiver dials.
 *
 * Only a higher or equal epoch is obeyed, by this file's own memory and whatever the core says:
 * a stale word must never turn a node back to a deposed master. The hosts line moves only once the
 * new server answers: until then the old line is as good as any, and k3s-agent is never restarted.
 * The core names a master once, so the line is looked at from then on: cloud-init and editors
 * rewrite the file as they knew it.
 *
 * Source: DESIGN section 5 "Others follow". The line itself: agent/actions/hosts-line.ts.
 */

import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Clock, TimerHandle } from '../../shared/ports/clock.ts';
import type { Files } from '../../shared/ports/files.ts';
import { seconds } from '../../shared/time/duration.ts';
import type { Effect } from '../core/types.ts';
import type { FindingBook } from './findings.ts';
import { API_NAME, masterAddress, withMaster } from './hosts-line.ts';

export type FollowEffect = Extract<Effect, { kind: 'follow' }>;

/** A try costs one small read; k3s-agent has nowhere to go until it succeeds. */
const AGAIN = seconds(3);
/** A look costs one small read, mostly from the page cache. */
const LOOK = seconds(60);
const FINDING = 'hosts-line';

export interface FollowPlace {
  readonly files: Files;
  readonly clock: Clock;
  readonly findings: Pick<FindingBook, 'note' | 'clear'>;
  /** /etc/hosts, or the demo's own file. */
  readonly hostsFile: string;
  /** The stream, the report and the topics want to know too. */
  readonly changed: (effect: FollowEffect) => void;
}

export interface Follow {
  follow(effect: FollowEffect): void;
  latest(): FollowEffect | null;
  /** The line stays as it is. */
  close(): void;
}

const wasTaken = (hostsFile: string, address: string): string =>
  `something took the line of ${API_NAME} out of ${hostsFile} or changed it; it names the master ` +
  `${address} again - where cloud-init rewrites that file, set manage_etc_hosts: false`;

export function createFollow(place: FollowPlace): Follow {
  const { files, clock, findings, hostsFile, changed } = place;
  let latest: FollowEffect | null = null;
  let epoch = 0;
  let again: TimerHandle | null = null;

  /** Whether the line had to be written. */
  const point = (address: string): boolean => {
    const hosts = files.read(hostsFile) ?? '';
    if (masterAddress(hosts) === address) return false;
    // Not synced: after a power cut the master is announced again anyway, and cards wear out.
    files.write(hostsFile, withMaster(hosts, address), { sync: false, mode: 0o644 });
    return true;
  };

  /** `stood`: the line was there, so who finds it changed finds somebody else's work. */
  const tryPoint = (address: string, stood = false): void => {
    try {
      if (point(address) && stood) findings.note(FINDING, wasTaken(hostsFile, address));
      else findings.clear(FINDING);
      again = clock.in(LOOK, () => tryPoint(address, true));
    } catch (error) {
      if (!isBatonError(error) || error.kind === 'invariant') throw error;
      findings.note(FINDING, `${API_NAME} does not name the master ${address}: ${error.message}`);
      again = clock.in(AGAIN, () => tryPoint(address, stood));
    }
  };

  /** What waits was for the target before; without a new try nothing fails any more. */
  const giveUp = (): void => {
    again?.cancel();
    findings.clear(FINDING);
  };

  return {
    follow(effect) {
      if (effect.epoch < epoch) return;
      epoch = effect.epoch;
      latest = effect;
      giveUp();
      changed(effect);
      if (effect.serving) tryPoint(effect.apiHost);
    },
    latest: () => latest,
    close: giveUp,
  };
}
