/** Many schedules on all threads: adds up what the batches report, and shows how far it is. */
import type { BatchReport, FailedSeed } from './batch.ts';
import { addCoverage, type Coverage, emptyCoverage } from './coverage.ts';
import type { Crew } from './crew.ts';
import type { PlanWishes } from './plan-maker.ts';

export interface CampaignReport {
  readonly schedules: number;
  readonly beyond: number;
  readonly coverage: Coverage;
  readonly inside: readonly FailedSeed[];
  readonly outside: readonly FailedSeed[];
  readonly seconds: number;
}

const batchSize = 250;

export async function runCampaign(
  crew: Crew,
  of: {
    readonly first: number;
    readonly count: number;
    readonly wishes: PlanWishes;
    readonly progress: (done: number) => void;
  },
): Promise<CampaignReport> {
  const began = performance.now();
  const coverage = emptyCoverage();
  const failures: FailedSeed[] = [];
  let schedules = 0;
  let beyond = 0;
  const take = (report: BatchReport): void => {
    schedules += report.schedules;
    beyond += report.beyond;
    addCoverage(coverage, report.coverage);
    failures.push(...report.failures);
    of.progress(schedules);
  };
  const jobs: Promise<void>[] = [];
  for (let done = 0; done < of.count; done += batchSize) {
    const count = Math.min(batchSize, of.count - done);
    const batch = { first: of.first + done, count, wishes: of.wishes, stopAtFirst: false };
    jobs.push(crew.run(batch).then(take));
  }
  await Promise.all(jobs);
  failures.sort((a, b) => a.seed - b.seed);
  return {
    schedules,
    beyond,
    coverage,
    inside: failures.filter((failure) => failure.class === 'inside'),
    outside: failures.filter((failure) => failure.class === 'beyond'),
    seconds: (performance.now() - began) / 1000,
  };
}
