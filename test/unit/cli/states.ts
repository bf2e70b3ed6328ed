/** Further states of the cluster of five in samples.ts: what `baton status` must make plain. */
import type { StatusAnswer } from '../../../agent/cli/control.ts';
import { healthy, master, report, stream, witness } from './samples.ts';

const others = () => [witness('pi4'), witness('pi5')];

/** pi3 was master, lost its power and came back: quarantined, with rows that only it had. */
export const returned = (): StatusAnswer => ({
  self: master({ receivers: [stream('pi2', 0, 4), stream('pi3', 0, 6)] }),
  reports: [
    report('pi2'),
    report('pi3', {
      findings: [
        {
          code: 'server-quarantined',
          text:
            'the server folder of epoch 11 was moved to /var/lib/baton/quarantine/11-0001 ' +
            'before the agent joined pi1.',
        },
        {
          code: 'lone-revisions',
          text:
            '3 revisions that only pi3 had (ConfigMap default/job-41 and 2 more) are listed in ' +
            '/var/lib/baton/quarantine/11-0001/lone.json; look whether anybody needs them.',
        },
      ],
    }),
    ...others(),
  ],
  ranking: healthy().ranking,
  heard: [],
  coordinators: [],
});

/** Both receivers run behind: one by a slow network, one by a full copy that has just begun. */
export const lagging = (): StatusAnswer => ({
  self: report('pi4', { eligible: false, role: 'witness', lineage_epoch: 0, revision: 0 }),
  reports: [
    master({ receivers: [stream('pi2', 1840, 36_900), stream('pi3', 120_431, 3_700_000)] }),
    report('pi2', { revision: 119_999_998_591 }),
    report('pi3', { revision: 119_999_880_000 }),
    witness('pi5'),
  ],
  ranking: null,
  heard: [],
  coordinators: [],
});

/** Only two of five are left; the one that was master has fenced itself. */
export const noMajority = (): StatusAnswer => ({
  self: report('pi1', {
    role: 'fenced',
    phase: 'vacant',
    master: null,
    api: null,
    reasons: [
      { ago_ms: 9100, epoch: 12, reason: 'serves with epoch 12.' },
      {
        ago_ms: 4100,
        epoch: 12,
        reason: 'fences itself, epoch 12: no majority has renewed the lease for 5000 ms.',
      },
    ],
  }),
  reports: [report('pi2', { master: null, api: null, phase: 'asking' })],
  ranking: null,
  heard: [],
  coordinators: [],
});

/** The coordinator on pi1 is gone, pi1 itself is not; the ranking comes from another one. */
export const coordinatorDead = (): StatusAnswer => ({
  ...healthy(),
  ranking: {
    coordinator: 'pi2',
    order: [
      { node: 'pi2', score: 90, reasons: ['wired', 'own UPS'] },
      { node: 'pi3', score: 60, reasons: ['wireless'] },
    ],
  },
  coordinators: ['pi1', 'pi2', 'pi3'].map((node) => ({ node, connected: node !== 'pi1' })),
});

/** pi2 has just won the lease and writes the replica to disk; pi1 is silent. */
export const promoting = (): StatusAnswer => ({
  self: report('pi2', {
    role: 'master',
    phase: 'promoting',
    epoch: 13,
    master: 'pi2',
    api: null,
    lease_left_ms: 4310,
    reasons: [
      { ago_ms: 1310, epoch: 12, reason: 'asks for the lease with ballot 40.' },
      { ago_ms: 990, epoch: 13, reason: 'won the lease with epoch 13, after pi1.' },
    ],
    promotion: [
      { step: 'pi1 was missed', at_ms: 0 },
      { step: 'asking', at_ms: 3 },
      { step: 'pi2 holds epoch 13', at_ms: 323 },
      { step: 'promoting', at_ms: 323 },
      { step: 'stop_agent_unit', at_ms: 370 },
    ],
  }),
  reports: [
    report('pi3', { epoch: 13, master: 'pi2', revision: 120_000_000_428 }),
    witness('pi4', { epoch: 13, master: 'pi2' }),
    witness('pi5', { epoch: 12, master: null, phase: 'vacant' }),
  ],
  ranking: healthy().ranking,
  heard: [],
  coordinators: [],
});
