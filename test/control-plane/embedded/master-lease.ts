/**
 * The server's record under /registry/masterleases/: kube-apiserver's lease reconciler in
 * miniature. Each server writes its address with a time to live of 15 s, again every 10 s, and
 * takes it away when it stops in order; a dead server's record stays until it runs out, and with
 * it the address in the `kubernetes` Endpoints. Times to live start anew at each start, as in kine.
 *
 * Source: kubernetes pkg/controlplane/reconcilers/lease.go; kine pkg/ttl.
 */
import type { Datastore } from './datastore.ts';

export const MASTER_LEASES = '/registry/masterleases';
const TIME_TO_LIVE_S = 15;
const REFRESH_MS = 10_000;
const SWEEP_MS = 1000;

/** Writes the record, keeps it fresh and sweeps those that ran out. `stop` takes it away. */
export const keepMasterLease = (store: Datastore, address: string): { stop(): void } => {
  const key = `${MASTER_LEASES}/${address}`;
  let deadlines = new Map<string, number>();
  let generation = 0;

  const refresh = (): void => {
    const row = store.latest(key);
    generation += 1;
    const subsets = [{ addresses: [{ ip: address }] }];
    const object = { kind: 'Endpoints', apiVersion: 'v1', metadata: { generation }, subsets };
    const value = Buffer.from(JSON.stringify(object));
    if (row === null || row.deleted) store.create(key, value, TIME_TO_LIVE_S);
    else store.update(key, value, row.revision, TIME_TO_LIVE_S);
  };

  const sweep = (): void => {
    const now = performance.now();
    const next = new Map<string, number>();
    for (const row of store.list(MASTER_LEASES).rows) {
      const life = `${row.key} ${row.revision}`;
      const deadline = deadlines.get(life) ?? now + row.lease * 1000;
      if (row.lease === 0 || deadline > now) next.set(life, deadline);
      else store.remove(row.key, row.revision);
    }
    deadlines = next;
  };

  refresh();
  sweep();
  const timers = [setInterval(refresh, REFRESH_MS), setInterval(sweep, SWEEP_MS)];
  return {
    stop: () => {
      for (const timer of timers) clearInterval(timer);
      const row = store.latest(key);
      if (row !== null && !row.deleted) store.remove(key, row.revision);
    },
  };
};
