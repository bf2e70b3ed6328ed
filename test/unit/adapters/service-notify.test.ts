/** What systemd is told, and how often: ready once, then alive at half of the watchdog's time. */
import { expect, test } from 'vitest';
import { serviceNotify } from '../../../shared/adapters/service-notify.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { fakeProcesses } from '../../../shared/ports/fakes/fake-processes.ts';
import { seconds } from '../../../shared/time/duration.ts';

function told(environment: Record<string, string>) {
  const [processes, clock] = [fakeProcesses(), fakeClock()];
  const words: string[] = [];
  processes.install('systemd-notify', ({ args }) => {
    words.push(args.join(' '));
    return {};
  });
  return { words, clock, notify: serviceNotify({ processes, clock }, environment) };
}

const unit = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '20000000' };

test('ready, then fed every ten of twenty seconds until it is closed', () => {
  const { words, clock, notify } = told(unit);
  clock.advance(seconds(60));
  expect(words).toEqual([]);
  notify.ready();
  expect(words).toEqual(['--ready', 'WATCHDOG=1']);
  clock.advance(seconds(9.9));
  expect(words).toHaveLength(2);
  clock.advance(seconds(20.1));
  expect(words.slice(2)).toEqual(['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1']);
  notify.stopping();
  notify.close();
  clock.advance(seconds(60));
  expect(words.slice(5)).toEqual(['STOPPING=1']);
});

test.each([
  ['no watchdog', { NOTIFY_SOCKET: unit.NOTIFY_SOCKET }],
  ['one of another form', { ...unit, WATCHDOG_USEC: 'soon' }],
  ['none that counts', { ...unit, WATCHDOG_USEC: '0' }],
])('%s is not fed', (_what, environment) => {
  const { words, clock, notify } = told(environment);
  notify.ready();
  clock.advance(seconds(60));
  expect(words).toEqual(['--ready']);
});

test('a daemon that is stopped in the midst of its start never says that it is ready', () => {
  const { words, clock, notify } = told(unit);
  notify.stopping();
  notify.ready();
  clock.advance(seconds(60));
  expect(words).toEqual(['STOPPING=1']);
});

test('without systemd nothing is said', () => {
  const { words, clock, notify } = told({ WATCHDOG_USEC: unit.WATCHDOG_USEC });
  notify.ready();
  clock.advance(seconds(60));
  notify.stopping();
  expect(words).toEqual([]);
});
