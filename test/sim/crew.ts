/**
 * The threads that schedules run on. Each asks for its next batch when it has reported the last
 * one, so a slow thread delays nobody. Which thread ran a batch changes nothing in its report.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Batch, BatchReport } from './batch.ts';
import type { Edit } from './mutants/edits.ts';
import type { WorkerStart } from './worker.ts';

export interface Crew {
  /** Runs one batch on the next free thread. */
  run(batch: Batch): Promise<BatchReport>;
  close(): Promise<void>;
}

export const defaultThreads = (): number => Math.max(1, Math.min(16, availableParallelism()));

interface Waiting {
  readonly batch: Batch;
  readonly resolve: (report: BatchReport) => void;
  readonly reject: (error: unknown) => void;
}

export function hireCrew(threads: number, edits: readonly Edit[] = []): Crew {
  const workerData: WorkerStart = { edits };
  const waiting: Waiting[] = [];
  const idle: Worker[] = [];
  const all: Worker[] = [];
  const give = (worker: Worker): void => {
    const next = waiting.shift();
    if (next === undefined) {
      idle.push(worker);
      return;
    }
    const failed = (error: unknown): void => next.reject(error);
    worker.once('error', failed);
    worker.once('message', (report: BatchReport) => {
      worker.off('error', failed);
      next.resolve(report);
      give(worker);
    });
    worker.postMessage(next.batch);
  };
  for (let i = 0; i < threads; i += 1) {
    const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData });
    all.push(worker);
    idle.push(worker);
  }
  return {
    run: (batch) =>
      new Promise((resolve, reject) => {
        waiting.push({ batch, resolve, reject });
        const worker = idle.shift();
        if (worker !== undefined) give(worker);
      }),
    close: async () => {
      await Promise.all(all.map((worker) => worker.terminate()));
    },
  };
}
