/** Steps: one after the other, each reported exactly once, whatever happens to it. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { DatastoreSteps, StepResult } from '../../../agent/actions/datastore-steps.ts';
import { createSteps, type StepEffect, type StepPlace } from '../../../agent/actions/steps.ts';
import type { UnitManager } from '../../../agent/actions/unit-manager.ts';
import type { AgentEvent, Step } from '../../../agent/core/types.ts';
import { seconds } from '../../../shared/time/duration.ts';

const forever = new Promise<never>(() => undefined);
const done: StepResult = { ok: true, detail: 'done' };

interface Special extends Partial<StepPlace> {
  readonly install?: () => Promise<StepResult>;
  readonly start?: UnitManager['start'];
  /** False: its end was told before anybody waited for it. */
  readonly serverRuns?: boolean;
}

/** A place in which everything succeeds at once, and notes what was asked for. */
const make = (special: Special = {}) => {
  const calls: string[] = [];
  const events: Extract<AgentEvent, { kind: 'step_done' }>[] = [];
  const unit = (words: string) => async () => {
    calls.push(words);
    return { ok: true } as const;
  };
  const units: UnitManager = {
    start: special.start ?? ((name) => unit(`start ${name}`)()),
    stop: (name) => unit(`stop ${name}`)(),
    fence: unit('fence'),
    running: async () => special.serverRuns ?? true,
    onServerExit: () => undefined,
    close: () => undefined,
  };
  const datastore: DatastoreSteps = {
    installDatastore: special.install ?? (async () => ({ ...done, firstRevision: 7 })),
    installArchive: async () => done,
    sendLastRevisions: async (to) => ({ ok: true, detail: to }),
    serverStarting: (epoch) => void calls.push(`starting ${epoch}`),
    serverStopped: () => void calls.push('stopped'),
  };
  const steps = createSteps({
    units,
    datastore,
    wallNotBefore: async () => null,
    fenceSettled: async () => true,
    serverUp: (epoch) => calls.push(`up ${epoch}`),
    ready: { untilReady: async () => done },
    readyBound: seconds(1),
    post: (event) => {
      if (event.kind === 'step_done') events.push(event);
    },
    told: () => undefined,
    ...special,
  });
  return { steps, calls, events };
};

const effect = (step: Step, epoch = 3): StepEffect => {
  const base = { kind: 'step', epoch } as const;
  if (step === 'install_datastore') {
    return { ...base, step, raise: true, previousMaster: 'pi1', from: 'replica' };
  }
  if (step === 'send_last_revisions') return { ...base, step, to: 'pi2' };
  return step === 'start_server' ? { ...base, step, notBeforeWall: 0 } : { ...base, step };
};

/** Until it is cut. */
const neverReady: StepPlace['ready'] = {
  untilReady: (_bound, signal) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve({ ok: false, detail: 'aborted' }));
    }),
};

test('every step of a promotion reports once, in order, with the first revision', async () => {
  const { steps, calls, events } = make();
  const order: Step[] = [
    'stop_agent_unit',
    'install_datastore',
    'install_archive',
    'start_server',
    'check_ready',
  ];
  for (const step of order) steps.order(effect(step));
  await steps.idle();
  expect(events.map(({ step, ok }) => [step, ok])).toEqual(order.map((step) => [step, true]));
  expect(events[1]).toMatchObject({ epoch: 3, firstRevision: 7 });
  expect(calls).toEqual(['stop agent', 'starting 3', 'start server', 'up 3']);
});

test('a step that throws has failed, and the next one still runs', async () => {
  const { steps, events } = make({ install: () => Promise.reject(new TypeError('odd')) });
  steps.order(effect('install_datastore'));
  steps.order(effect('stop_server'));
  await steps.idle();
  expect(events).toMatchObject([{ ok: false, detail: 'odd' }, { ok: true }]);
});

test('a fence cuts what brings the server up, and leaves what stops it', async () => {
  let finish: (result: StepResult) => void = () => undefined;
  const install = () => new Promise<StepResult>((resolve) => (finish = resolve));
  const { steps, calls, events } = make({ install });
  steps.order(effect('install_datastore'));
  steps.order(effect('start_server'));
  steps.order(effect('stop_server'));
  await Promise.resolve();
  steps.cut('fenced');
  finish({ ...done, firstRevision: 7 });
  await steps.idle();
  expect(events.map(({ step, ok }) => [step, ok])).toEqual([
    ['install_datastore', false],
    ['start_server', false],
    ['stop_server', true],
  ]);
  expect(calls).toEqual(['stop server', 'stopped']);
});

test('a fence during the start of the server: the step fails, and no stream begins', async () => {
  let settle: (ended: boolean) => void = () => undefined;
  const settled = new Promise<boolean>((resolve) => (settle = resolve));
  const { steps, calls, events } = make({ fenceSettled: () => settled });
  steps.order(effect('start_server'));
  await Promise.resolve();
  steps.cut('fenced');
  settle(true);
  await steps.idle();
  expect(events).toMatchObject([{ step: 'start_server', ok: false, detail: 'fenced' }]);
  expect(calls).toEqual([]);
});

test('a clock that cannot be stepped stops the start, with the reason', async () => {
  const { steps, calls, events } = make({ wallNotBefore: async () => 'the clock is years behind' });
  steps.order(effect('start_server'));
  await steps.idle();
  expect(events).toMatchObject([{ ok: false, detail: 'the clock is years behind' }]);
  expect(calls).toEqual([]);
});

test('a server that ends while it is being asked for takes the step with it', async () => {
  const { steps, events } = make({ ready: neverReady });
  steps.order(effect('check_ready'));
  await turn();
  expect(steps.serverExited('it crashed')).toBe(true);
  await steps.idle();
  expect(events).toMatchObject([{ step: 'check_ready', ok: false, detail: 'it crashed' }]);
  expect(steps.serverExited('again')).toBe(false);
});

test('a stop does not wait for a server that is still starting (70)', async () => {
  const { steps, events, calls } = make({ ready: neverReady });
  steps.order(effect('check_ready'));
  await turn();
  steps.order(effect('stop_server'));
  await steps.idle();
  expect(events).toMatchObject([
    { step: 'check_ready', ok: false, detail: 'the server is to stop' },
    { step: 'stop_server', ok: true },
  ]);
  expect(calls).toEqual(['stop server', 'stopped']);
});

test('a stop does not wait for a start that waits for the network (84)', async () => {
  const start: UnitManager['start'] = (_unit, signal) =>
    new Promise((resolve) => {
      signal?.addEventListener('abort', () => resolve({ ok: false, detail: 'aborted' }));
    });
  const { steps, events } = make({ start });
  steps.order(effect('start_server'));
  await turn();
  steps.order(effect('stop_server'));
  await steps.idle();
  expect(events.map(({ step, ok }) => [step, ok])).toEqual([
    ['start_server', false],
    ['stop_server', true],
  ]);
});

test('idle is when nothing more was ordered by the last report (70)', async () => {
  const made = make({
    post: (event) => {
      if (event.kind !== 'step_done') return;
      made.events.push(event);
      if (event.step === 'stop_server') made.steps.order(effect('send_last_revisions'));
    },
  });
  made.steps.order(effect('stop_server'));
  await made.steps.idle();
  expect(made.events.map(({ step }) => step)).toEqual(['stop_server', 'send_last_revisions']);
});

test('nobody waits for a server that has ended before it was asked for (48)', async () => {
  const { steps, events } = make({ serverRuns: false, ready: { untilReady: () => forever } });
  steps.order(effect('check_ready'));
  await steps.idle();
  expect(events).toMatchObject([{ ok: false, detail: 'no server process runs' }]);
});
