/**
 * A start of k3s.service that waits for network-online.target, as systemd 252 tells of it: the job
 * has a number and the unit is inactive.
 */
import { expect, test } from 'vitest';
import { systemctlUnits } from '../../../agent/adapters/systemctl-units.ts';
import type { Clock } from '../../../shared/ports/clock.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { fakeProcesses } from '../../../shared/ports/fakes/fake-processes.ts';
import { after, type Duration, milliseconds, seconds } from '../../../shared/time/duration.ts';

const QUEUED = { MainPID: 0, ActiveState: 'inactive', Job: 66 };
const GATE_RUNS = { MainPID: 0, ActiveState: 'activating', Job: 66 };
const RUNS = { MainPID: 4321, ActiveState: 'activating', Job: 66 };
const ENDED = { MainPID: 0, ActiveState: 'inactive', Job: '' };

/** The network is there after `network`, then the gate takes `gate`; waits pass at once. */
const makeMachine = (network: Duration, gate = milliseconds(200)) => {
  const time = fakeClock();
  const begin = time.now();
  const online = after(begin, network);
  let isOrdered = false;
  let atWait = (_waited: number): void => {};
  const state = () => {
    if (!isOrdered) return ENDED;
    if (time.now() < online) return QUEUED;
    return time.now() < after(online, gate) ? GATE_RUNS : RUNS;
  };
  const processes = fakeProcesses();
  processes.install('systemctl', ({ args: [verb] }) => {
    if (verb === 'start') isOrdered = true;
    if (verb === 'stop' || verb === 'mask') isOrdered = false;
    const load = isOrdered ? 'loaded' : 'masked';
    const words = { SubState: 'dead', LoadState: load, Result: 'success', ...state() };
    return {
      stdout: Object.entries(words)
        .map((pair) => `${pair.join('=')}\n`)
        .join(''),
    };
  });
  const clock: Clock = {
    ...time,
    in(pause, action) {
      time.advance(pause);
      atWait(time.now() - begin);
      setImmediate(action);
      return { cancel: () => {} };
    },
  };
  return {
    units: systemctlUnits({ processes, clock }),
    waited: () => time.now() - begin,
    /** Done once, when so much time has passed. */
    when(moment: Duration, action: () => void) {
      atWait = (waited) => {
        if (waited < moment) return;
        atWait = () => {};
        action();
      };
    },
    isOrdered: () => isOrdered,
  };
};

test('a network that comes late is waited for, and the server starts', async () => {
  const { units, waited } = makeMachine(seconds(25), seconds(9));
  expect(await units.start('server')).toEqual({ ok: true });
  expect(waited()).toBeGreaterThanOrEqual(34_000);
  units.close();
});

test('a network that never comes ends the start after a while', async () => {
  const { units, waited } = makeMachine(seconds(100_000));
  const detail = expect.stringContaining('list-jobs');
  expect(await units.start('server')).toEqual({ ok: false, detail });
  expect(waited()).toBe(40_000);
});

test('a gate script that hangs has its 10 s, and no more', async () => {
  const { units, waited } = makeMachine(seconds(30), seconds(100_000));
  expect(await units.start('server')).toMatchObject({ ok: false });
  expect(waited()).toBeLessThanOrEqual(40_000);
});

test('a fence ends the wait, and takes the start back', async () => {
  const { units, waited, when, isOrdered } = makeMachine(seconds(100_000));
  let fenced: Promise<unknown> = Promise.resolve();
  when(seconds(20), () => {
    fenced = units.fence(milliseconds(0));
  });
  expect(await units.start('server')).toMatchObject({ ok: false });
  expect(await fenced).toEqual({ ok: true });
  expect([isOrdered(), waited() < 21_000]).toEqual([false, true]);
});

test('a stop that is ordered cuts the wait short', async () => {
  const { units, waited, when } = makeMachine(seconds(100_000));
  const control = new AbortController();
  when(seconds(20), () => control.abort('the server is to stop'));
  const detail = 'the server is to stop';
  expect(await units.start('server', control.signal)).toEqual({ ok: false, detail });
  expect(waited()).toBe(20_000);
});
