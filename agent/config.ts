/**
 * The agent's settings: what agent.yaml may hold, the rules between its values, and the part of
 * them that the core decides by.
 *
 * The sections stand in agent/config/sections.ts, the rules in agent/config/rules.ts. Types,
 * example and reference table beside them are generated: `npm run gen`.
 */
import { CLOCK_RESOLUTION } from '../shared/adapters/system-clock.ts';
import { clusterRules } from '../shared/config/cluster-rules.ts';
import { clusterSection, logSection, nodeSection } from '../shared/config/cluster-schema.ts';
import { type Declaration, type LoadedSettings, loadSettings } from '../shared/config/load.ts';
import { group } from '../shared/config/schema.ts';
import { invariant } from '../shared/errors/baton-error.ts';
import {
  mqttSection,
  networkSection,
  pathsSection,
  streamSection,
} from './config/machine-sections.ts';
import { agentRules } from './config/rules.ts';
import { k3sSection, leaseSection } from './config/sections.ts';
import type { AgentSettings } from './config/settings-types.ts';
import type { CoreConfig } from './core/types.ts';

export { problemLine, type SettingsProblem } from '../shared/config/problems.ts';
export type { AgentSettings } from './config/settings-types.ts';

const schema = group('Settings of baton-agent.', {
  node: nodeSection,
  cluster: clusterSection,
  lease: leaseSection,
  stream: streamSection,
  paths: pathsSection,
  k3s: k3sSection,
  network: networkSection,
  mqtt: mqttSection,
  log: logSection,
});

/** What the generator and the validator work from. */
export const declaration: Declaration<(typeof schema)['entries']> = {
  daemon: 'agent',
  place: '/etc/baton/agent.yaml',
  schema,
  rules: [...clusterRules, ...agentRules],
};

/**
 * The settings in `text`, or every problem with file, line and key. `fileName` is only named.
 */
export const loadAgentSettings = (text: string, fileName: string): LoadedSettings<AgentSettings> =>
  loadSettings(declaration, text, fileName);

/** What the core needs of the settings. They must have come from `loadAgentSettings`. */
export function coreConfig(settings: AgentSettings): CoreConfig {
  const { lease, cluster } = settings;
  const self = cluster.nodes.find(({ name }) => name === settings.node.name);
  invariant(self !== undefined, 'settings that were accepted list their own node');
  return {
    node: self.name,
    nodes: cluster.nodes.map(({ name, eligible, voter }) => ({ name, eligible, voter })),
    leaseDuration: lease.lease_duration_ms,
    renewInterval: lease.renew_interval_ms,
    fenceAfter: lease.fence_after_ms,
    driftBound: lease.drift_percent / 100,
    clockResolution: CLOCK_RESOLUTION,
    answerTimeout: lease.answer_timeout_ms,
    candidateStagger: lease.candidate_stagger_ms,
    yieldWait: lease.yield_wait_ms,
    coldStartWait: lease.cold_start_wait_ms,
    retireAfter: lease.retire_after_ms,
    sitOut: lease.sit_out_ms,
    serverRestarts: lease.server_restarts,
    apiHost: self.address,
    apiPort: settings.k3s.api_port,
  };
}
