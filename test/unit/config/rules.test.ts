/** Every rule between settings: broken, it names the key, the line and the sum that fails. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { declaration as agent, loadAgentSettings } from '../../../agent/config.ts';
import { brokenElectionRules } from '../../../agent/core/lease/timing-rules.ts';
import {
  declaration as coordinator,
  loadCoordinatorSettings,
} from '../../../coordinator/config.ts';
import { CLOCK_RESOLUTION } from '../../../shared/adapters/system-clock.ts';
import { milliseconds } from '../../../shared/time/duration.ts';
import { agentProblems, agentSettings, agentText, changed, FILE, problemsOf } from './samples.ts';

const lease = (...lines: string[]): string =>
  `${agentText}lease:\n${lines.map((line) => `  ${line}\n`).join('')}`;

describe('timing', () => {
  test('the defaults break none', () => {
    expect(agentProblems(agentText)).toEqual([]);
  });

  test.each<[string, string[], string, number, string]>([
    [
      'killed-before-grant',
      ['fence_after_ms: 7000'],
      'lease.fence_after_ms',
      14,
      "fence_after_ms 7000 + dead man's period 1000 + kill 500 = 8500 must be below " +
        'lease_duration_ms 8000 × 0.99 = 7920',
    ],
    [
      'killed-before-grant',
      ['# shorter alone is not safe', 'lease_duration_ms: 6500'],
      'lease.fence_after_ms',
      13,
      "fence_after_ms 5000 + dead man's period 1000 + kill 500 = 6500 must be below " +
        'lease_duration_ms 6500 × 0.99 = 6435',
    ],
    [
      'misses-one-renewal',
      ['renew_interval_ms: 2500'],
      'lease.renew_interval_ms',
      14,
      'renew_interval_ms 2500 × 2 = 5000 must be below fence_after_ms 5000, or one lost renewal ' +
        'stops a healthy server',
    ],
    [
      'answers-before-renewal',
      ['answer_timeout_ms: 1500'],
      'lease.answer_timeout_ms',
      14,
      'answer_timeout_ms 1500 must be below renew_interval_ms 1500, or a round is given up after ' +
        'the next has begun',
    ],
    [
      'retires-after-silence',
      ['retire_after_ms: 16000'],
      'lease.retire_after_ms',
      14,
      'retire_after_ms 16000 must be above 2 × lease_duration_ms 8000 = 16000, or a voter is ' +
        'retired during its silence',
    ],
  ])('%s', (rule, lines, key, line, sum) => {
    expect(agentProblems(lease(...lines))).toEqual([[line, key, rule, sum]]);
  });

  test('without a data-path gate the lease has to last one look longer', () => {
    const gate = 'network:\n  data_path_gate: none\n';
    expect(agentProblems(`${agentText}${gate}`)).toEqual([]);
    const short = lease('lease_duration_ms: 7500');
    expect(agentProblems(short)).toEqual([]);
    expect(agentProblems(`${short}${gate}`).map(([, key, rule, sum]) => [key, rule, sum])).toEqual([
      [
        'lease.fence_after_ms',
        'killed-before-grant',
        "fence_after_ms 5000 + dead man's period 1000 + once more without a data-path gate 1000 " +
          '+ kill 500 = 7500 must be below lease_duration_ms 7500 × 0.99 = 7425',
      ],
    ]);
  });

  test('a round that is won too late is told beside the rule that it also breaks', () => {
    const rules = agentProblems(lease('answer_timeout_ms: 4980')).map(([, , rule]) => rule);
    expect(rules).toEqual(['answers-before-renewal', 'won-round-is-worth-it']);
  });

  test('several broken sums are told together, and never while a value is wrong', () => {
    const both = lease('fence_after_ms: 7000', 'renew_interval_ms: 4000');
    expect(agentProblems(both).map(([line, , rule]) => [line, rule])).toEqual([
      [14, 'killed-before-grant'],
      [15, 'misses-one-renewal'],
    ]);
    const wrong = lease('fence_after_ms: 7000', 'renew_interval_ms: "4000"');
    expect(agentProblems(wrong).map(([line, , rule]) => [line, rule])).toEqual([
      [15, 'wrong-type'],
    ]);
  });

  test('whatever is accepted keeps the sums, whatever is refused breaks one', () => {
    const numbers = fc.record({
      lease_duration_ms: fc.integer({ min: 500, max: 20_000 }),
      renew_interval_ms: fc.integer({ min: 50, max: 5_000 }),
      fence_after_ms: fc.integer({ min: 200, max: 15_000 }),
      drift_percent: fc.integer({ min: 0, max: 49 }),
      answer_timeout_ms: fc.integer({ min: 10, max: 5_000 }),
      retire_after_ms: fc.integer({ min: 1_000, max: 60_000 }),
    });
    const isSound = fc.property(numbers, fc.boolean(), (values, dataPathGate) => {
      const lines = Object.entries(values).map(([key, value]) => `${key}: ${value}`);
      const broken = brokenElectionRules({
        leaseDuration: milliseconds(values.lease_duration_ms),
        renewInterval: milliseconds(values.renew_interval_ms),
        fenceAfter: milliseconds(values.fence_after_ms),
        driftBound: values.drift_percent / 100,
        answerTimeout: milliseconds(values.answer_timeout_ms),
        candidateStagger: milliseconds(300),
        clockResolution: CLOCK_RESOLUTION,
        retireAfter: milliseconds(values.retire_after_ms),
        dataPathGate,
      });
      const gate = `network:\n  data_path_gate: ${dataPathGate ? 'nft' : 'none'}\n`;
      const found = agentProblems(`${lease(...lines)}${gate}`).map(([, , rule]) => rule);
      expect(found.toSorted()).toEqual(broken.map(({ rule }) => rule).toSorted());
    });
    fc.assert(isSound, { numRuns: 200 });
  });
});

describe('the cluster', () => {
  const seven = Array.from(
    { length: 5 },
    (_, n) => `    - name: more${n}\n      address: 192.168.1.${20 + n}\n`,
  ).join('');

  test.each<[string, string, number, string, string]>([
    [
      'this-node-is-listed',
      changed('name: pi1', 'name: pi9'),
      2,
      'node.name',
      '"pi9" is not in cluster.nodes, which has pi1, pi2, pi3 - add it there or correct the name',
    ],
    [
      'repeated-name',
      changed('name: pi2', 'name: pi1'),
      8,
      'cluster.nodes[1].name',
      '"pi1" stands twice - cluster.nodes[0].name on line 5 has it too; every entry of ' +
        'cluster.nodes needs its own',
    ],
    [
      'somebody-votes',
      agentText.replaceAll(/( +)address: .*\n/g, '$&$1voter: false\n'),
      4,
      'cluster.nodes',
      '0 of 3 nodes vote, so nobody can be given the lease - ' +
        'remove "voter: false" from at least one',
    ],
    [
      'voters-are-few',
      agentText + seven,
      4,
      'cluster.nodes',
      '8 voters (pi1, pi2, pi3, more0, more1, more2, more3, more4) are more than 7 - give the ' +
        'others "voter: false"; they still follow the master',
    ],
    [
      'coordinators-are-few',
      agentText +
        seven
          .replaceAll(/( +)address: .*1\.2[0-2]\n/g, '$&$1coordinator: true\n')
          .replace(/ {4}- name: more3[\s\S]*$/, ''),
      4,
      'cluster.nodes',
      '4 coordinators (pi1, more0, more1, more2) are more than 3 - every agent keeps a ' +
        'connection to each',
    ],
    [
      'coordinators-are-eligible',
      `${agentText}      coordinator: true\n`,
      13,
      'cluster.nodes[2].coordinator',
      'pi3 runs a coordinator and is not eligible - it would hold keys of others; choose one or ' +
        'the other',
    ],
    [
      'api-port-agrees',
      `${agentText}k3s:\n  api_port: 6444\n`,
      14,
      'k3s.api_port',
      '6444 is not 6443, the api_port of pi1 in cluster.nodes, where the others look for it - ' +
        'make them equal',
    ],
    [
      'replica-is-outside',
      `${agentText}paths:\n  replica_dir: /var/lib/rancher/k3s/replica\n`,
      14,
      'paths.replica_dir',
      '/var/lib/rancher/k3s/replica is within k3s_data_dir /var/lib/rancher/k3s, which is moved ' +
        'away after a tenure and sent to the receivers - choose a place in memory',
    ],
    [
      'state-survives-boot',
      `${agentText}paths:\n  state_dir: /run/baton/state\n`,
      14,
      'paths.state_dir',
      '/run/baton/state is within run_dir /run/baton, which a reboot empties: this node would ' +
        'forget the highest epoch - choose a place on the disk',
    ],
    [
      'window-holds-a-batch',
      `${agentText}stream:\n  max_batch_bytes: 4097\n  window_bytes: 4096\n`,
      15,
      'stream.window_bytes',
      'max_batch_bytes 4097 must be at most window_bytes 4096, or every batch waits for the one ' +
        'before it',
    ],
    [
      'dialling-ends-before-silence',
      `${agentText}stream:\n  silence_limit_ms: 2500\n`,
      14,
      'stream.silence_limit_ms',
      'dial_timeout_ms 2000 + redial_delay_ms 500 = 2500 must be below silence_limit_ms 2500',
    ],
  ])('%s', (rule, text, line, key, sum) => {
    expect(agentProblems(text)).toEqual([[line, key, rule, sum]]);
  });

  test('somebody-is-eligible', () => {
    const text = agentText
      .replace('coordinator: true', 'eligible: false')
      .replace('192.168.1.12\n', '192.168.1.12\n      eligible: false\n');
    const words =
      '0 of 3 nodes are eligible, so nobody may become master - remove "eligible: false" from ' +
      'at least one';
    expect(agentProblems(text)).toEqual([[4, 'cluster.nodes', 'somebody-is-eligible', words]]);
  });

  test('ports-are-free: two nodes on one address', () => {
    const found = agentProblems(changed('192.168.1.12', '192.168.1.11'));
    expect(found.map(([line, , rule, sum]) => [line, rule, sum])).toEqual(
      ['link_port', 'mqtt_port', 'api_port'].map((port, index) => [
        8,
        'ports-are-free',
        `${port} of pi2 and ${port} of pi1 are both 192.168.1.11 port ` +
          `${[7947, 8883, 6443][index]} - change one`,
      ]),
    );
  });

  test('ports-are-free: two ports of one node, and one address shared with other ports', () => {
    const own = changed('coordinator: true', 'mqtt_port: 6443');
    expect(agentProblems(own)).toEqual([
      [
        5,
        'cluster.nodes[0].api_port',
        'ports-are-free',
        'api_port of pi1 and mqtt_port of pi1 are both 192.168.1.11 port 6443 - change one',
      ],
    ]);
    const apart = changed(
      '192.168.1.12\n',
      '192.168.1.11\n      link_port: 1\n      mqtt_port: 2\n      api_port: 3\n',
    );
    expect(agentProblems(apart)).toEqual([]);
  });
});

describe('the coordinator', () => {
  const found = (text: string) =>
    problemsOf(loadCoordinatorSettings(text, FILE)).map((one) => [one.line, one.rule, one.text]);

  test('this-node-coordinates', () => {
    expect(found(changed('name: pi1', 'name: pi2'))).toEqual([
      [
        2,
        'this-node-coordinates',
        '"pi2" has no "coordinator: true" in cluster.nodes, so no agent would connect to it - ' +
          'add it there on every node, or do not run a coordinator here',
      ],
    ]);
  });

  test('mqtt-port-agrees', () => {
    expect(found(`${agentText}listen:\n  mqtt_port: 8884\n`)).toEqual([
      [
        14,
        'mqtt-port-agrees',
        '8884 is not 8883, the mqtt_port of pi1 in cluster.nodes, where the agents connect - ' +
          'make them equal',
      ],
    ]);
  });
});

test('every rule has a name of its own and a sentence for the reference', () => {
  for (const { rules } of [agent, coordinator]) {
    expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length);
    for (const { says } of rules) expect(says).toMatch(/^[A-Z`].*\.$/);
  }
});

test('paths that only look alike are no neighbours', () => {
  const text = `${agentText}paths:\n  state_dir: /run/baton-state\n  run_dir: //run//baton/\n`;
  expect(loadAgentSettings(text, FILE).ok).toBe(true);
  expect(agentSettings(text).paths.state_dir).toBe('/run/baton-state');
});

test('one IPv6 address has many spellings and is one address', () => {
  const text = changed('192.168.1.11', 'fd00::1').replace('192.168.1.12', 'fd00:0:0::0001');
  const rules = agentProblems(text).map(([line, , rule]) => [line, rule]);
  expect(rules).toEqual([8, 8, 8].map((line) => [line, 'ports-are-free']));
});
