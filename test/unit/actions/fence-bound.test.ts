/** The self-fence: its order, and that one which cannot end holds nobody up. */
import { describe, expect, it } from 'vitest';
import type { DatastoreSteps } from '../../../agent/actions/datastore-steps.ts';
import { createFence } from '../../../agent/actions/fence.ts';
import { createSteps } from '../../../agent/actions/steps.ts';
import type { UnitManager, UnitResult } from '../../../agent/actions/unit-manager.ts';
import type { AgentEvent } from '../../../agent/core/types.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { milliseconds, minutes, seconds } from '../../../shared/time/duration.ts';

const done: UnitResult = { ok: true };

function rig() {
  const clock = fakeClock();
  const calls: string[] = [];
  const problems: string[] = [];
  const posted: AgentEvent[] = [];
  let answer: UnitResult = done;
  const units = {
    fence: async () => {
      calls.push('stop');
      return answer;
    },
    start: async () => {
      calls.push('start');
      return done;
    },
  } as unknown as UnitManager;
  const fence = createFence({
    units,
    steps: { cut: () => calls.push('cut') },
    gate: { close: () => calls.push('gate') },
    clock,
    grace: milliseconds(250),
    problem: (detail) => problems.push(detail),
  });
  const steps = createSteps({
    units,
    datastore: { serverStarting: () => {} } as unknown as DatastoreSteps,
    wallNotBefore: async () => null,
    fenceSettled: fence.settled,
    serverUp: () => calls.push('up'),
    ready: { untilReady: async () => ({ ok: true, detail: '' }) },
    readyBound: seconds(1),
    post: (event) => posted.push(event),
    told: () => {},
  });
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    clock,
    calls,
    problems,
    posted,
    fence,
    steps,
    settle,
    answerWith(result: UnitResult) {
      answer = result;
    },
  };
}

const startServer = { kind: 'step', step: 'start_server', epoch: 3, notBeforeWall: 0 } as const;
const refused: UnitResult = { ok: false, detail: 'cannot be masked' };

describe('a fence', () => {
  it('cuts the steps and shuts the gate before the server is asked to stop', () => {
    const { fence, calls } = rig();
    fence.fence('the lease ran out');
    expect(calls).toEqual(['cut', 'gate', 'stop']);
  });

  it('that fails is tried again, and a start waits for it', async () => {
    const { fence, steps, calls, problems, clock, settle, answerWith } = rig();
    answerWith(refused);
    fence.fence('the lease ran out');
    await settle();
    steps.order(startServer);
    await settle();
    expect(calls).not.toContain('start');
    answerWith(done);
    clock.advance(seconds(1));
    await steps.idle();
    expect(problems).toEqual(['cannot be masked']);
    expect(calls.slice(-3)).toEqual(['stop', 'start', 'up']);
  });

  it('that never ends makes a start fail: who waits would hold the role', async () => {
    const { fence, steps, calls, posted, clock, settle, answerWith } = rig();
    answerWith(refused);
    fence.fence('the lease ran out');
    steps.order(startServer);
    for (let passed = 0; passed < 60 && posted.length === 0; passed += 1) {
      await settle();
      clock.advance(seconds(1));
      await settle();
    }
    expect(posted).toMatchObject([{ kind: 'step_done', step: 'start_server', ok: false }]);
    expect(calls).not.toContain('start');
    expect(fence.underWay()).toBe(true);
    answerWith(done);
    clock.advance(minutes(1));
    await settle();
    expect(fence.underWay()).toBe(false);
  });
});
