/**
 * One thread of the simulator: runs batches until it is told to end. Plain data both ways.
 *
 * A mutant lives in a thread of its own: its edits are made while the modules are loaded, so they
 * are imported only after the hooks are in place.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Batch } from './batch.ts';
import { type Edit, loadWith } from './mutants/edits.ts';

/** What a thread is started with. */
export interface WorkerStart {
  readonly edits: readonly Edit[];
}

loadWith((workerData as WorkerStart).edits);
const { runBatch } = await import('./batch.ts');
const { shippedCore } = await import('./core-under-test.ts');

parentPort?.on('message', (batch: Batch) => {
  parentPort?.postMessage(runBatch(batch, shippedCore));
});
