/** Tells one schedule in full: its plan, every decision worth telling, and what the judge said. */
import { shippedCore as core } from './core-under-test.ts';
import { emptyCoverage } from './coverage.ts';
import type { Plan } from './plan.ts';
import { makePlan, type PlanWishes } from './plan-maker.ts';
import { runSchedule } from './schedule.ts';
import { shrink } from './shrink.ts';
import { describePlan, tracer } from './trace.ts';

export interface Story {
  readonly text: string;
  readonly failed: boolean;
}

/** `small`: shrink the schedule first, when it fails. `last`: only so many lines of the trace. */
export function tellStory(
  seed: number,
  wishes: PlanWishes,
  choice: { readonly small: boolean; readonly last: number },
): Story {
  let plan: Plan = makePlan(seed, wishes);
  let remark = '';
  if (choice.small) {
    const first = runSchedule(plan, { core, coverage: emptyCoverage() });
    if (first.violation !== null) {
      const before = plan.faults.length;
      const shrunk = shrink(plan, first.violation.rule, core);
      plan = shrunk.plan;
      remark = `shrunk from ${before} to ${plan.faults.length} faults in ${shrunk.tried} runs\n`;
    }
  }
  const trace = tracer(true);
  const { violation } = runSchedule(plan, { core, coverage: emptyCoverage(), trace });
  const left = Math.max(0, trace.lines.length - choice.last);
  const cut = left === 0 ? [] : [`… ${left} earlier lines`];
  const verdict =
    violation === null
      ? 'no violation'
      : `${violation.rule} at ${(violation.at / 1000).toFixed(3)} s: ${violation.text}`;
  const lines = [describePlan(plan), remark, ...cut, ...trace.lines.slice(left), '', verdict];
  return { text: lines.join('\n'), failed: violation !== null };
}
