/**
 * Rules between the settings of the agent alone; those of the cluster are in
 * shared/config/cluster-rules.ts. Each is a function with a test.
 */
import { CLOCK_RESOLUTION } from '../../shared/adapters/system-clock.ts';
import type { BrokenAcross, Rule } from '../../shared/config/load.ts';
import { brokenElectionRules, type ElectionTiming } from '../core/lease/timing-rules.ts';
import type { AgentSettings } from './settings-types.ts';

/** The setting that a broken timing rule is shown at: the first one of its sum. */
const shownAt: ReadonlyMap<string, string> = new Map([
  ['killed-before-grant', 'lease.fence_after_ms'],
  ['misses-one-renewal', 'lease.renew_interval_ms'],
  ['drift-is-a-bound', 'lease.drift_percent'],
  ['answers-before-renewal', 'lease.answer_timeout_ms'],
  ['won-round-is-worth-it', 'lease.answer_timeout_ms'],
  ['stagger-is-positive', 'lease.candidate_stagger_ms'],
  ['retires-after-silence', 'lease.retire_after_ms'],
]);

/** As the timing rules want the settings; `dataPathGate`: whether the kernel keeps the door. */
export const timingOf = ({ lease }: AgentSettings, dataPathGate: boolean): ElectionTiming => ({
  leaseDuration: lease.lease_duration_ms,
  renewInterval: lease.renew_interval_ms,
  fenceAfter: lease.fence_after_ms,
  driftBound: lease.drift_percent / 100,
  answerTimeout: lease.answer_timeout_ms,
  candidateStagger: lease.candidate_stagger_ms,
  clockResolution: CLOCK_RESOLUTION,
  retireAfter: lease.retire_after_ms,
  dataPathGate,
});

const timingIsSafe = (settings: AgentSettings): readonly BrokenAcross[] =>
  brokenElectionRules(timingOf(settings, settings.network.data_path_gate === 'nft')).map(
    ({ rule, sum }) => ({ rule, sum, key: shownAt.get(rule) ?? 'lease' }),
  );

const isWithin = (path: string, directory: string): boolean =>
  `${path}/`.replace(/\/+/g, '/').startsWith(`${directory}/`.replace(/\/+/g, '/'));

const replicaIsOutside = ({ paths }: AgentSettings): readonly BrokenAcross[] => {
  if (!isWithin(paths.replica_dir, paths.k3s_data_dir)) return [];
  const sum =
    `${paths.replica_dir} is within k3s_data_dir ${paths.k3s_data_dir}, which is moved away ` +
    'after a tenure and sent to the receivers - choose a place in memory';
  return [{ key: 'paths.replica_dir', sum }];
};

const stateSurvivesBoot = ({ paths }: AgentSettings): readonly BrokenAcross[] => {
  if (!isWithin(paths.state_dir, paths.run_dir)) return [];
  const sum =
    `${paths.state_dir} is within run_dir ${paths.run_dir}, which a reboot empties: this node ` +
    'would forget the highest epoch - choose a place on the disk';
  return [{ key: 'paths.state_dir', sum }];
};

const apiPortAgrees = ({ node, cluster, k3s }: AgentSettings): readonly BrokenAcross[] => {
  const self = cluster.nodes.find(({ name }) => name === node.name);
  if (self === undefined || self.api_port === k3s.api_port) return [];
  const sum =
    `${k3s.api_port} is not ${self.api_port}, the api_port of ${self.name} in cluster.nodes, ` +
    'where the others look for it - make them equal';
  return [{ key: 'k3s.api_port', sum }];
};

const windowHoldsABatch = ({ stream }: AgentSettings): readonly BrokenAcross[] => {
  if (stream.max_batch_bytes <= stream.window_bytes) return [];
  const sum =
    `max_batch_bytes ${stream.max_batch_bytes} must be at most window_bytes ` +
    `${stream.window_bytes}, or every batch waits for the one before it`;
  return [{ key: 'stream.window_bytes', sum }];
};

const diallingEndsBeforeSilence = ({ stream }: AgentSettings): readonly BrokenAcross[] => {
  const pause = stream.dial_timeout_ms + stream.redial_delay_ms;
  if (pause < stream.silence_limit_ms) return [];
  const sum =
    `dial_timeout_ms ${stream.dial_timeout_ms} + redial_delay_ms ${stream.redial_delay_ms} = ` +
    `${pause} must be below silence_limit_ms ${stream.silence_limit_ms}`;
  return [{ key: 'stream.silence_limit_ms', sum }];
};

const shownKeys = [...shownAt.keys()].map((name) => `\`${name}\``).join(', ');

export const agentRules: readonly Rule<AgentSettings>[] = [
  {
    name: 'timing',
    says:
      'The sums of `agent/core/lease/timing-rules.ts` hold: the server is dead before anybody ' +
      'else may be granted the lease, one look of the dead man’s switch earlier where ' +
      `\`network.data_path_gate\` is \`none\` (${shownKeys}).`,
    check: timingIsSafe,
  },
  {
    name: 'replica-is-outside',
    says: '`paths.replica_dir` is not within `paths.k3s_data_dir`.',
    check: replicaIsOutside,
  },
  {
    name: 'state-survives-boot',
    says: '`paths.state_dir` is not within `paths.run_dir`.',
    check: stateSurvivesBoot,
  },
  {
    name: 'api-port-agrees',
    says: '`k3s.api_port` is the `api_port` of the own entry in `cluster.nodes`.',
    check: apiPortAgrees,
  },
  {
    name: 'window-holds-a-batch',
    says: '`stream.max_batch_bytes` is at most `stream.window_bytes`.',
    check: windowHoldsABatch,
  },
  {
    name: 'dialling-ends-before-silence',
    says: '`stream.dial_timeout_ms` + `stream.redial_delay_ms` is below `stream.silence_limit_ms`.',
    check: diallingEndsBeforeSilence,
  },
];
