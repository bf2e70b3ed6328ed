/**
 * Makes a failing schedule small: leaves out faults as long as the same rule is still broken.
 *
 * What happens between the faults is drawn from a stream of its own (random.ts), so that leaving a
 * fault out does not plan another schedule, although it may run differently from there on.
 */
import type { RuleName } from './checks/judge.ts';
import { emptyCoverage } from './coverage.ts';
import type { Plan, PlannedFault } from './plan.ts';
import { runSchedule } from './schedule.ts';
import type { SimCore } from './sim-core.ts';

export interface Shrunk {
  readonly plan: Plan;
  readonly tried: number;
}

/** The smallest plan found that breaks `rule`; at most `budget` runs. */
export function shrink(plan: Plan, rule: RuleName, core: SimCore, budget = 400): Shrunk {
  let tried = 0;
  const breaks = (candidate: Plan): boolean => {
    tried += 1;
    const run = runSchedule(candidate, { core, coverage: emptyCoverage() });
    return run.violation?.rule === rule;
  };
  let best = plan;
  let chunk = Math.ceil(best.faults.length / 2);
  while (chunk >= 1 && tried < budget) {
    const smaller = withoutChunk(best, chunk, breaks, () => tried < budget);
    if (smaller !== null) best = smaller;
    else if (chunk === 1) break;
    else chunk = Math.ceil(chunk / 2);
  }
  for (const simple of simpler(best)) if (tried < budget && breaks(simple)) best = simple;
  return { plan: best, tried };
}

function withoutChunk(
  plan: Plan,
  chunk: number,
  breaks: (plan: Plan) => boolean,
  goesOn: () => boolean,
): Plan | null {
  for (let from = 0; from < plan.faults.length && goesOn(); from += chunk) {
    const faults = plan.faults.filter((_, i) => i < from || i >= from + chunk);
    const candidate = { ...plan, faults };
    if (breaks(candidate)) return candidate;
  }
  return null;
}

/** The same schedule with less going on beside the faults. */
function* simpler(plan: Plan): Generator<Plan> {
  if (plan.copies > 0) yield { ...plan, copies: 0 };
  if (plan.coordinators.length > 0) yield { ...plan, coordinators: [] };
  const half = (fault: PlannedFault): PlannedFault => ({ ...fault, duration: fault.duration / 2 });
  yield { ...plan, faults: plan.faults.map(half) };
}
