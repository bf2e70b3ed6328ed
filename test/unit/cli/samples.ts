/** Reports of a cluster of five, as `baton status` gets them; each test bends what it needs. */
import type { StatusAnswer } from '../../../agent/cli/control.ts';
import type { NodeReport } from '../../../shared/protocol/report.ts';

const members = ['pi1', 'pi2', 'pi3', 'pi4', 'pi5'];

export const report = (node: string, change: Partial<NodeReport> = {}): NodeReport => ({
  node,
  boot_id: `boot-of-${node}`,
  sequence: 40,
  started_ms: 1_760_000_000_000,
  eligible: true,
  voter: true,
  role: 'receiver',
  phase: 'following',
  epoch: 12,
  master: 'pi1',
  api: '10.0.0.11:6443',
  list: { epoch: 12, number: 4, members, previous: [], committed: true },
  lease_left_ms: null,
  lineage_epoch: 12,
  revision: 120_000_000_431,
  receivers: [],
  k3s: 'k3s v1.35.4',
  memory: { rss_mb: 78.2, anon_mb: 26.4 },
  cpu_s: 14.2,
  reasons: [{ ago_ms: 184_000, epoch: 12, reason: 'follows pi1, which serves with epoch 12.' }],
  findings: [],
  promotion: [],
  ...change,
});

export const stream = (node: string, lag_revisions: number, lag_ms: number) => ({
  node,
  lineage_epoch: 12,
  revision: 120_000_000_431 - lag_revisions,
  lag_revisions,
  lag_ms,
});

export const master = (change: Partial<NodeReport> = {}): NodeReport =>
  report('pi1', {
    role: 'master',
    phase: 'serving',
    lease_left_ms: 4230,
    receivers: [stream('pi2', 0, 5), stream('pi3', 3, 41)],
    reasons: [
      { ago_ms: 7_400_000, epoch: 11, reason: 'follows pi3, which serves with epoch 11.' },
      { ago_ms: 192_400, epoch: 11, reason: 'asks for the lease with ballot 31.' },
      { ago_ms: 192_100, epoch: 12, reason: 'won the lease with epoch 12, after pi3.' },
      { ago_ms: 189_000, epoch: 12, reason: 'serves with epoch 12.' },
    ],
    promotion: [
      { step: 'pi3 was missed', at_ms: 0 },
      { step: 'asking', at_ms: 12 },
      { step: 'pi1 holds epoch 12', at_ms: 305 },
      { step: 'promoting', at_ms: 305 },
      { step: 'stop_agent_unit', at_ms: 412 },
      { step: 'install_datastore', at_ms: 690 },
      { step: 'install_archive', at_ms: 820 },
      { step: 'start_server', at_ms: 2900 },
      { step: 'check_ready', at_ms: 3060 },
      { step: 'serving', at_ms: 3060 },
    ],
    ...change,
  });

export const witness = (node: string, change: Partial<NodeReport> = {}): NodeReport =>
  report(node, { eligible: false, role: 'witness', lineage_epoch: 0, revision: 0, ...change });

/** All is well: pi1 serves, pi2 is in step, pi3 almost; pi4 and pi5 are witnesses. */
export const healthy = (): StatusAnswer => ({
  self: report('pi2'),
  reports: [
    master(),
    report('pi2', { sequence: 39 }),
    report('pi3', { revision: 120_000_000_428 }),
    witness('pi4'),
    witness('pi5'),
  ],
  ranking: {
    coordinator: 'pi1',
    order: [
      { node: 'pi2', score: 92, reasons: ['wired', 'own UPS'] },
      { node: 'pi3', score: 60, reasons: ['undervoltage 2 h ago', 'wireless'] },
    ],
  },
  heard: ['pi1', 'pi3', 'pi4', 'pi5'].map((node) => ({ node, ago_ms: 900 })),
  coordinators: ['pi1', 'pi2', 'pi3'].map((node) => ({ node, connected: true })),
});

/** The master is gone, nobody has taken over yet; pi3 fell behind and pi5 is silent. */
export const noMaster = (): StatusAnswer => ({
  self: report('pi2', { master: null, api: null, phase: 'asking' }),
  reports: [
    // Its last report is still retained by the brokers.
    master(),
    report('pi3', { master: null, api: null, phase: 'yielding', revision: 120_000_000_002 }),
    witness('pi4', { master: null, api: null, phase: 'vacant' }),
  ],
  ranking: null,
  heard: [
    { node: 'pi1', ago_ms: 9400 },
    { node: 'pi3', ago_ms: 1100 },
    { node: 'pi4', ago_ms: 300 },
  ],
  coordinators: ['pi1', 'pi2', 'pi3'].map((node) => ({ node, connected: node !== 'pi1' })),
});

/** Much to look at: a silent voter, a late stream, an old master, findings on two nodes. */
export const troubled = (): StatusAnswer => ({
  self: master({
    receivers: [stream('pi2', 812, 16_400)],
    findings: [{ code: 'schema-unknown', text: 'kine’s table has a column that is not known.' }],
  }),
  reports: [
    report('pi2', { revision: 119_999_999_619 }),
    report('pi3', {
      role: 'fenced',
      phase: 'sitting_out',
      lineage_epoch: 11,
      revision: 110_000_020_001,
      findings: [
        {
          code: 'lone-revisions',
          text:
            '3 revisions that only pi3 had were cut off and saved in ' +
            '/var/lib/baton/quarantine/11/lone-revisions.json; look whether anybody needs them.',
        },
      ],
    }),
    report('pi5', { role: 'master', phase: 'serving', epoch: 11, master: 'pi5' }),
  ],
  ranking: null,
  heard: [],
  coordinators: [],
});

/** The smallest cluster: two voters, no witness. */
export const two = (): StatusAnswer => {
  const list = { epoch: 3, number: 1, members: ['pi1', 'pi2'], previous: [], committed: true };
  return {
    self: master({
      epoch: 3,
      list,
      receivers: [stream('pi2', 0, 7)],
      reasons: [{ ago_ms: 189_000, epoch: 3, reason: 'serves with epoch 3.' }],
    }),
    reports: [report('pi2', { epoch: 3, list })],
    ranking: null,
    heard: [],
    coordinators: [],
  };
};
