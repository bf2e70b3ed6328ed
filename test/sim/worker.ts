/** One thread of the simulator: runs batches until it is told to end. Plain data both ways. */
import { parentPort } from 'node:worker_threads';
import { type Batch, runBatch } from './batch.ts';
import { makeMutant } from './mutants/table.ts';

/** A batch, and the mutant to run it on; null for the shipped core. */
export interface Job {
  readonly batch: Batch;
  readonly mutant: string | null;
}

parentPort?.on('message', ({ batch, mutant }: Job) => {
  const { core, flaws } = makeMutant(mutant);
  parentPort?.postMessage(runBatch(batch, core, flaws));
});
