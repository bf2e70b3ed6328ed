/** A healthy receiver's report, with what a test wants different. */
import type { NodeReport } from '../../../shared/protocol/report.ts';

export const reportOf = (node: string, different: Partial<NodeReport> = {}): NodeReport => ({
  node,
  boot_id: `boot-of-${node}`,
  sequence: 1,
  started_ms: 1_767_225_600_000,
  eligible: true,
  voter: true,
  role: 'receiver',
  phase: 'following',
  epoch: 3,
  master: 'pi1',
  api: 'https://pi1:6443',
  list: null,
  lease_left_ms: null,
  lineage_epoch: 3,
  revision: 900,
  receivers: [],
  k3s: 'agent',
  memory: { rss_mb: 80, anon_mb: 30 },
  cpu_s: 1,
  reasons: [],
  findings: [],
  promotion: [],
  ...different,
});
