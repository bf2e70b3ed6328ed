/**
 * What people see: findings told once, the report on change and at its interval, the hosts line.
 */
import { expect, test } from 'vitest';
import { findingBook, noteInto } from '../../../agent/actions/findings.ts';
import { createFollow } from '../../../agent/actions/follow.ts';
import { promotionTimeline } from '../../../agent/actions/promotion-timeline.ts';
import { createPublisher } from '../../../agent/actions/publisher.ts';
import { serverInvocation } from '../../../agent/actions/server-command.ts';
import type { CoreView, NodeEntry } from '../../../agent/core/types.ts';
import { buildReport } from '../../../agent/report.ts';
import type { ReceiverProgress } from '../../../agent/stream/api.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { memoryFiles } from '../../../shared/ports/fakes/memory-files.ts';
import type { NodeReport } from '../../../shared/protocol/report.ts';
import { instant, milliseconds, seconds } from '../../../shared/time/duration.ts';
import { reportOf } from '../coordinator/report-sample.ts';

test('a finding is told once, replaced by its subject, and taken back', () => {
  const told: string[] = [];
  const parts = [{ code: 'part', text: 'from a part' }];
  const book = findingBook([() => parts], ({ code, text }) => told.push(`${code}: ${text}`));
  book.note('refused', 'pi2 holds another key', 'pi2');
  book.note('refused', 'pi2 holds another key', 'pi2');
  book.note('refused', 'pi3 holds another key', 'pi3');
  expect(book.list().map(({ text }) => text)).toEqual([
    'pi2 holds another key',
    'pi3 holds another key',
    'from a part',
  ]);
  book.clear('refused', 'pi2');
  expect(book.list()).toHaveLength(2);
  expect(told).toEqual([
    'refused: pi2 holds another key',
    'refused: pi3 holds another key',
    'part: from a part',
  ]);
});

test('what the stream finds on one receiver leaves standing what it found on another', () => {
  const book = findingBook([], () => undefined);
  const note = noteInto(book);
  const lost = (receiver: string, revisions: number) =>
    note({ code: 'lost-revisions', text: `${receiver} ${revisions}`, detail: { receiver } });
  lost('pi2', 4);
  lost('pi3', 1);
  lost('pi2', 9);
  note({ code: 'lone-revisions', text: 'saved in 1', detail: { file: '1', rows: 3 } });
  note({ code: 'lone-revisions', text: 'saved in 2', detail: { file: '2', rows: 3 } });
  note({ code: 'replica-failed', text: 'full' });
  note({ code: 'replica-failed', text: 'still full' });
  const texts = ['pi3 1', 'pi2 9', 'saved in 1', 'saved in 2', 'still full'];
  expect(book.list().map(({ text }) => text)).toEqual(texts);
});

test('names from the network fill neither the list nor the memory', () => {
  const book = findingBook([], () => undefined);
  for (let count = 0; count < 5000; count += 1) book.note('refused', `${count}`, `${count}`);
  expect(book.list()).toHaveLength(64);
  expect(book.list().at(-1)).toEqual({ code: 'refused', text: '4999' });
});

const makePublisher = (broker = true) => {
  const clock = fakeClock();
  const report: { revision: number } = { revision: 1 };
  const said: string[] = [];
  let [reports, linked] = [0, 0];
  const publisher = createPublisher({
    clock,
    build: (): NodeReport => ({ ...reportOf('pi1'), revision: report.revision }),
    publishReport: () => {
      reports += 1;
    },
    publishValue: (topic, value) => said.push(`${topic} ${value}`),
    sendToPeers: () => {
      linked += 1;
    },
    hasBroker: () => broker,
  });
  return { clock, publisher, report, said, counts: () => [reports, linked] };
};

test('the report goes out at its interval, and soon after changes, which are bundled', () => {
  const { clock, publisher, counts } = makePublisher();
  expect(counts()).toEqual([1, 1]);
  for (let change = 0; change < 20; change += 1) publisher.soon();
  clock.advance(milliseconds(150));
  expect(counts()).toEqual([2, 2]);
  clock.advance(seconds(8));
  expect(counts()).toEqual([4, 2]);
  publisher.close();
  clock.advance(seconds(60));
  expect(counts()).toEqual([4, 2]);
});

test('without any broker every report goes over the direct links', () => {
  const { clock, counts } = makePublisher(false);
  clock.advance(seconds(12));
  expect(counts()).toEqual([4, 4]);
});

test('only values that changed are said again', () => {
  const { clock, report, said } = makePublisher();
  const first = said.length;
  clock.advance(seconds(4));
  expect(said).toHaveLength(first);
  report.revision = 9;
  clock.advance(seconds(4));
  expect(said.slice(first)).toEqual(['baton/pi1/replica/revision 9']);
});

test('a receiver that was cut off is not told as in step', () => {
  const receiver = (node: string, connected: boolean): ReceiverProgress => ({
    node,
    connected,
    phase: 'streaming',
    position: { lineageEpoch: 3, revision: 900 },
    lagRevisions: 0,
    lagMilliseconds: 4,
    digest: 'equal',
  });
  const built = buildReport({
    view: { node: 'pi1', role: 'master', deadline: null, reasons: [] } as unknown as CoreView,
    self: { eligible: true, voter: true } as unknown as NodeEntry,
    now: instant(1000),
    bootId: 'b00',
    startedMs: 0,
    sequence: 1,
    api: null,
    datastore: null,
    receivers: [receiver('pi2', true), receiver('pi3', false)],
    k3s: 'k3s',
    figures: { rss_mb: 1, anon_mb: 1, cpu_s: 1 },
    findings: [],
    promotion: [],
  });
  expect(built.receivers.map(({ node }) => node)).toEqual(['pi2']);
});

test('the hosts line moves when the new master answers, and never back', () => {
  const files = memoryFiles({ '/etc/hosts': '127.0.0.1 localhost\n' });
  const heard: number[] = [];
  const changed = ({ epoch }: { epoch: number }) => void heard.push(epoch);
  const [clock, findings] = [fakeClock(), findingBook([], () => undefined)];
  const follow = createFollow({ files, clock, findings, hostsFile: '/etc/hosts', changed });
  const to = (master: string, epoch: number, apiHost: string, serving: boolean) =>
    follow.follow({ kind: 'follow', master, epoch, apiHost, apiPort: 6443, serving });
  const line = () => files.read('/etc/hosts')?.split('\n')[1];
  to('pi1', 3, '10.0.0.1', true);
  to('pi2', 4, '10.0.0.2', false);
  expect(line()).toBe('10.0.0.1 baton-api # baton');
  to('pi2', 4, '10.0.0.2', true);
  to('pi1', 3, '10.0.0.1', true);
  expect(line()).toBe('10.0.0.2 baton-api # baton');
  expect([heard, follow.latest()?.master]).toEqual([[3, 4, 4], 'pi2']);
});

test('the timeline counts from the moment at which the master was missed', () => {
  const timeline = promotionTimeline();
  const view = (master: string | null, phase: CoreView['phase']) =>
    ({ master, phase, epoch: 4 }) as CoreView;
  timeline.saw(view('pi1', 'following'), instant(1000));
  timeline.saw(view('pi1', 'following'), instant(5000));
  timeline.saw(view(null, 'asking'), instant(9000));
  timeline.saw(view('pi2', 'promoting'), instant(9030));
  timeline.step('install_datastore', false, instant(9100));
  expect(timeline.entries()).toEqual([
    { step: 'pi1 was missed', at_ms: 0 },
    { step: 'asking', at_ms: 0 },
    { step: 'promoting', at_ms: 30 },
    { step: 'pi2 holds epoch 4', at_ms: 30 },
    { step: 'install_datastore failed', at_ms: 100 },
  ]);
});

const settings = {
  node: { name: 'pi1' },
  cluster: { nodes: [{ name: 'pi1', address: '127.0.0.11' }] },
  paths: { k3s_data_dir: '/k3s', k3s_config_dir: '/etc/k3s' },
  k3s: {
    unit_manager: 'process',
    command: null,
    server_args: ['--disable-agent'],
    api_port: 6443,
    token_file: '/etc/k3s/token',
  },
} as unknown as Parameters<typeof serverInvocation>[0]['settings'];

test('a server gets token and configuration once they are there', () => {
  const place = { settings, environment: { BATON_K3S: '/opt/k3s.ts' }, node: '/bin/node' };
  const bare = serverInvocation({ ...place, exists: () => false });
  expect([bare.command, bare.args[0], bare.args[1]]).toEqual([
    '/bin/node',
    '/opt/k3s.ts',
    'server',
  ]);
  expect([bare.args.includes('--token-file'), bare.environment]).toEqual([false, {}]);
  const full = serverInvocation({ ...place, exists: () => true });
  expect(full.args.join(' ')).toContain('--token-file /etc/k3s/token --disable-agent');
  expect(full.environment).toEqual({ K3S_CONFIG_FILE: '/etc/k3s/config.yaml' });
});
