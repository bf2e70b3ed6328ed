/**
 * A batch of schedules with neighbouring seeds: the unit of work that a thread gets, and what it
 * reports. Plain data both ways.
 */
import type { Violation } from './checks/judge.ts';
import { type Coverage, emptyCoverage } from './coverage.ts';
import type { FaultClass } from './fault-kinds.ts';
import { makePlan, type PlanWishes } from './plan-maker.ts';
import { runSchedule } from './schedule.ts';
import type { SimCore } from './sim-core.ts';

export interface Batch {
  readonly first: number;
  readonly count: number;
  readonly wishes: PlanWishes;
  /** Ends the batch at the first violation inside the model: what mutants need. */
  readonly stopAtFirst: boolean;
}

export interface FailedSeed extends Violation {
  readonly seed: number;
  readonly class: FaultClass;
}

export interface BatchReport {
  readonly schedules: number;
  /** Schedules with faults beyond the model, among them. */
  readonly beyond: number;
  readonly failures: readonly FailedSeed[];
  readonly coverage: Coverage;
}

/** A violation in each schedule would be a long list; the count goes on, the list stops. */
const keptFailures = 200;

export function runBatch(batch: Batch, core: SimCore): BatchReport {
  const coverage = emptyCoverage();
  const failures: FailedSeed[] = [];
  let schedules = 0;
  let beyond = 0;
  for (let seed = batch.first; seed < batch.first + batch.count; seed += 1) {
    const plan = makePlan(seed, batch.wishes);
    const { violation } = runSchedule(plan, { core, coverage });
    schedules += 1;
    if (plan.class === 'beyond') beyond += 1;
    if (violation === null) continue;
    if (failures.length < keptFailures) failures.push({ ...violation, seed, class: plan.class });
    if (batch.stopAtFirst && plan.class === 'inside') break;
  }
  return { schedules, beyond, failures, coverage };
}
