/** What the core gets of the settings: every field from the setting that names it. */
import { expect, test } from 'vitest';
import { coreConfig } from '../../../agent/config.ts';
import { CLOCK_RESOLUTION } from '../../../shared/adapters/system-clock.ts';
import { agentSettings, agentText, changed } from './samples.ts';

test('the defaults are those of the design', () => {
  expect(coreConfig(agentSettings())).toEqual({
    node: 'pi1',
    nodes: [
      { name: 'pi1', eligible: true, voter: true },
      { name: 'pi2', eligible: true, voter: true },
      { name: 'pi3', eligible: false, voter: true },
    ],
    leaseDuration: 8000,
    renewInterval: 1500,
    fenceAfter: 5000,
    driftBound: 0.01,
    clockResolution: CLOCK_RESOLUTION,
    answerTimeout: 700,
    candidateStagger: 300,
    yieldWait: 2000,
    coldStartWait: 300_000,
    retireAfter: 900_000,
    sitOut: 60_000,
    serverRestarts: 3,
    apiHost: '192.168.1.11',
    apiPort: 6443,
  });
});

/** Setting → field, with a value that no other field has. */
const fields: readonly [string, string, number, number][] = [
  ['lease_duration_ms', 'leaseDuration', 9001, 9001],
  ['renew_interval_ms', 'renewInterval', 1501, 1501],
  ['fence_after_ms', 'fenceAfter', 5001, 5001],
  ['drift_percent', 'driftBound', 2.5, 0.025],
  ['answer_timeout_ms', 'answerTimeout', 701, 701],
  ['candidate_stagger_ms', 'candidateStagger', 301, 301],
  ['yield_wait_ms', 'yieldWait', 2001, 2001],
  ['cold_start_wait_ms', 'coldStartWait', 300_001, 300_001],
  ['retire_after_ms', 'retireAfter', 900_001, 900_001],
  ['sit_out_ms', 'sitOut', 60_001, 60_001],
  ['server_restarts', 'serverRestarts', 7, 7],
];

test.each(fields)('lease.%s is %s', (setting, field, written, expected) => {
  const before = coreConfig(agentSettings());
  const after = coreConfig(agentSettings(`${agentText}lease:\n  ${setting}: ${written}\n`));
  expect(after).toEqual({ ...before, [field]: expected });
});

test('every lease setting reaches the core', () => {
  const { lease } = agentSettings();
  expect(fields.map(([setting]) => setting).toSorted()).toEqual(Object.keys(lease).toSorted());
});

test('the API is announced at the own address and port', () => {
  const text = changed('name: pi1', 'name: pi2').replace(
    '192.168.1.12\n',
    '192.168.1.12\n      api_port: 6444\n      voter: false\n',
  );
  const config = coreConfig(agentSettings(`${text}k3s:\n  api_port: 6444\n`));
  expect([config.node, config.apiHost, config.apiPort]).toEqual(['pi2', '192.168.1.12', 6444]);
  expect(config.nodes[1]).toEqual({ name: 'pi2', eligible: true, voter: false });
});
