/**
 * Following the master: one line of /etc/hosts, and where the stream's receiver dials.
 *
 * Only a higher or equal epoch is obeyed, by this file's own memory and whatever the core says:
 * a stale word must never turn a node back to a deposed master. The hosts line moves only once the
 * new server answers: until then the old line is as good as any, and k3s-agent is never restarted.
 *
 * Source: DESIGN section 5 "Others follow". The line itself: agent/actions/hosts-line.ts.
 */

import type { Files } from '../../shared/ports/files.ts';
import type { Effect } from '../core/types.ts';
import { masterAddress, withMaster } from './hosts-line.ts';

export type FollowEffect = Extract<Effect, { kind: 'follow' }>;

export interface FollowPlace {
  readonly files: Files;
  /** /etc/hosts, or the demo's own file. */
  readonly hostsFile: string;
  /** The stream, the report and the topics want to know too. */
  readonly changed: (effect: FollowEffect) => void;
}

export interface Follow {
  follow(effect: FollowEffect): void;
  latest(): FollowEffect | null;
}

export function createFollow(place: FollowPlace): Follow {
  const { files, hostsFile, changed } = place;
  let latest: FollowEffect | null = null;
  let epoch = 0;

  const point = (address: string): void => {
    const hosts = files.read(hostsFile) ?? '';
    if (masterAddress(hosts) === address) return;
    // Not synced: after a power cut the master is announced again anyway, and cards wear out.
    files.write(hostsFile, withMaster(hosts, address), { sync: false, mode: 0o644 });
  };

  return {
    follow(effect) {
      if (effect.epoch < epoch) return;
      epoch = effect.epoch;
      latest = effect;
      changed(effect);
      if (effect.serving) point(effect.apiHost);
    },
    latest: () => latest,
  };
}
