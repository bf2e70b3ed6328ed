/**
 * Sections of agent.yaml on which a change of master depends: the lease and k3s.
 *
 * The rules between these values are in agent/config/rules.ts; the sum that keeps two servers
 * apart is in agent/core/lease/timing-rules.ts.
 */
import {
  choice,
  decimal,
  duration,
  forms,
  group,
  integer,
  optionalText,
  port,
  text,
  texts,
} from '../../shared/config/schema.ts';

export const leaseSection = group(
  'The mastership lease. Every node must have the same values; the rules below refuse unsafe ones.',
  {
    lease_duration_ms: duration({
      default: 8000,
      min: 500,
      max: 600_000,
      description: 'How long a voter keeps the lease for one master after it has granted it.',
      why: 'The shortest that leaves the dead man time to look and kill after the self-fence.',
    }),
    renew_interval_ms: duration({
      default: 1500,
      min: 50,
      max: 120_000,
      description: 'How often the master renews.',
      why: 'Three renewals fit before the self-fence, so two may be lost.',
    }),
    fence_after_ms: duration({
      default: 5000,
      min: 200,
      max: 500_000,
      description: 'The master stops its server this long after it sent its last granted renewal.',
      why: '5000 + dead man 1000 + kill 500 = 6500, below 8000 × 0.99.',
    }),
    drift_percent: decimal({
      default: 1,
      min: 0,
      max: 49,
      unit: '%',
      description: 'Most by which two boot clocks may run apart.',
      why: 'Crystals of a Pi are below 0.01 %; the rest is room for a loaded scheduler.',
    }),
    answer_timeout_ms: duration({
      default: 700,
      min: 10,
      max: 60_000,
      description: 'How long answers to one round are waited for.',
      why: 'Many times a round trip in a house, and below one renewal.',
    }),
    candidate_stagger_ms: duration({
      default: 300,
      min: 1,
      max: 60_000,
      description: 'A candidate waits its rank times this, so that the best one asks first.',
      why: 'Longer than a round trip, so that two seldom ask at once.',
    }),
    yield_wait_ms: duration({
      default: 2000,
      min: 0,
      max: 600_000,
      description: 'How long a candidate gives way to a better replica, once per vacancy.',
      why: 'A better node that is there asks within this time; a longer wait is only a gap.',
    }),
    cold_start_wait_ms: duration({
      default: 300_000,
      min: 0,
      max: 3_600_000,
      description: 'How long the last master is waited for when every node has been off.',
      why: 'A card may be checked before it boots, and its node holds the newest revisions.',
    }),
    retire_after_ms: duration({
      default: 900_000,
      min: 1000,
      max: 604_800_000,
      description: 'A voter silent for this long is taken out of the list until it returns.',
      why: 'Longer than a reboot with an upgrade; short enough to stand a second death that day.',
    }),
    sit_out_ms: duration({
      default: 60_000,
      min: 0,
      max: 3_600_000,
      description:
        'A node that failed as master, or to become one, leaves it to the others for this long.',
      why: 'Each of the others gets its turn before the same fault is tried again.',
    }),
    server_restarts: integer({
      default: 3,
      min: 0,
      max: 100,
      description:
        'Times a crashing server is restarted on the spot before the role is given away; the ' +
        'lease may be lost as often, within ten minutes, before the node sits out.',
      why: 'A crash loses nothing that the kernel holds; one that repeats is the node’s own.',
    }),
  },
);

export const k3sSection = group('k3s on this machine.', {
  unit_manager: choice(['systemd', 'process'], {
    default: 'systemd',
    description: 'Who starts and stops k3s: systemd units, or the agent’s own supervisor.',
    why: 'Machines have systemd; the supervisor is for the demo and enforces the same gate.',
  }),
  command: optionalText({
    form: forms.any,
    description:
      'The k3s program, for the supervisor; empty takes BATON_K3S, else k3s on the PATH.',
    why: 'The units name their own program.',
    needsRestart: 'server',
  }),
  server_args: texts({
    default: [],
    description: 'Further arguments of `k3s server`; the same on every eligible node.',
    why: 'k3s takes most of its options from its own config.yaml, which travels with the archive.',
    needsRestart: 'server',
  }),
  api_port: port({
    default: 6443,
    description: 'TCP port of the Kubernetes API here; the same as in the own cluster.nodes entry.',
    why: 'The port k3s takes.',
    needsRestart: 'server',
  }),
  token_file: text({
    form: forms.path,
    default: '/etc/rancher/k3s/token',
    description: 'File with the k3s token, which decrypts the bootstrap data in the datastore.',
    why: 'Beside k3s’s own configuration, outside `server/`, which is moved away after a tenure.',
    needsRestart: 'server',
  }),
});
