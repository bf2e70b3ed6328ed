/**
 * Real agents and a real coordinator, and a node of theirs that has gone mad: it holds the right
 * key and sends random bytes and random JSON on every topic that it may use, and in every frame of
 * every direct link. Nobody changes their mind, nobody ends, and the logs stay short.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../shared/adapters/system-clock.ts';
import { systemRandom } from '../../../shared/adapters/system-random.ts';
import { clusterKeyring, type Keyring } from '../../../shared/crypto/keyring.ts';
import { type MqttBus, mqttBus } from '../../../shared/net/mqtt-bus.ts';
import { type PskLinks, pskLinks } from '../../../shared/net/psk-links.ts';
import type { FrameConnection, LinkPurpose } from '../../../shared/ports/network.ts';
import { SEALED_LEASE, seal } from '../../../shared/protocol/seal.ts';
import { seconds } from '../../../shared/time/duration.ts';
import { makeRig, patient, type Rig } from './agent-rig.ts';

let rig: Rig | null = null;
const endings: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
  await rig?.close();
  rig = null;
});

const names = ['a', 'b', 'c'];
const frameTypes: Readonly<Record<LinkPurpose, readonly string[]>> = {
  lease: ['lease', 'report', 'unheard-of'],
  bulk: [
    ...['hello', 'lineage', 'reset', 'batch', 'mark', 'ack', 'digest', 'digest-answer', 'refuse'],
    ...['archive', 'archive-chunk', 'archive-answer', 'whole-copy', 'whole-chunk', 'unheard-of'],
  ],
};
const bytes = fc.uint8Array({ maxLength: 300 });
const content = fc.oneof(
  bytes,
  fc.json().map((json) => Buffer.from(json)),
);
const headers = fc.dictionary(fc.constantFrom('epoch', 'cursor', 'lineage', 'x'), fc.jsonValue());

interface Mad {
  readonly keyring: Keyring;
  readonly bus: MqttBus;
  readonly links: PskLinks;
}

/** In the place of c, which has been ended: its key, its name, its connections. */
function madNode(one: Rig): Mad {
  const key = readFileSync(`${one.node('c').directory}/etc/cluster.key`, 'utf8');
  const keyring = clusterKeyring(
    key,
    'c',
    names.map((name) => ({ name, eligible: true })),
  );
  const bus = mqttBus({
    node: 'c',
    bootId: 'mad',
    brokers: [{ name: 'a', host: one.node('a').address, port: 8883 }],
    credentials: keyring.brokerPsk(),
    clock: systemClock(),
    random: systemRandom(),
    notice: () => undefined,
  });
  endings.push(() => bus.close());
  return { keyring, bus, links: pskLinks({ keyring, life: 'c'.repeat(16), onProblem: () => {} }) };
}

async function garbageByBroker(one: Rig, { bus, keyring }: Mad): Promise<void> {
  await one.until('the coordinator lets it in', 60_000, async () => bus.connected()[0] ?? null);
  const topics = [
    ...['baton/c/status', 'baton/c/power/undervoltage', 'baton/c/event', 'baton-wire/c/x'],
    ...['baton-wire/a/command/move', 'baton-wire/b/command/x', 'baton-wire/c/ranking'],
  ];
  for (const [words, json, retain] of fc.sample(fc.tuple(content, fc.jsonValue(), fc.boolean()))) {
    for (const to of ['a', 'b']) {
      bus.publishLease(to, words);
      // The right seal around anything at all.
      bus.publishLease(to, seal(keyring, SEALED_LEASE, to, json, 16_384) ?? words);
    }
    const text = Buffer.from(words).toString('latin1');
    bus.publishReport(text);
    for (const topic of topics) bus.publish(topic, text, { retain });
  }
}

async function garbageByLinks(one: Rig, mad: Mad, to: string): Promise<Record<string, string>> {
  const closed: Record<string, string> = {};
  for (const purpose of ['lease', 'bulk'] as const) {
    for (const type of frameTypes[purpose]) {
      const target = { node: to, host: one.node(to).address, port: 7947, purpose };
      const link: FrameConnection = await mad.links.dial(target, seconds(20));
      link.onFrame(() => undefined);
      const end = new Promise<void>((resolve) => {
        link.onClose((why) => {
          closed[`${purpose} ${type}`] = why;
          resolve();
        });
      });
      for (const [header, body] of fc.sample(fc.tuple(headers, content), 20)) {
        link.send({ type, header, body });
      }
      // A lease link has no frame that is broken for its content: those are counted by their seal.
      if (purpose === 'bulk') await end;
      link.close('enough');
    }
  }
  return closed;
}

test('a node that has gone mad moves nobody, ends nobody and fills no log', async () => {
  const one = makeRig({ names, coordinators: ['a'], lease: patient });
  rig = one;
  one.startCoordinator('a');
  for (const name of names) one.start(name);
  // Every voter is needed to found a cluster; then c is ended, and not as master.
  const first = await one.serving(60_000);
  if (first.node === 'c') await one.move('c', 'a');
  const master = await one.serving(60_000, 'c');
  one.crash('c');

  const before = linesOf(one);
  const mad = madNode(one);
  await garbageByBroker(one, mad);
  const closed = await garbageByLinks(one, mad, master.node);
  const bulk = Object.keys(closed).filter((kind) => kind.startsWith('bulk'));
  expect(bulk).toHaveLength(frameTypes.bulk.length);

  const other = master.node === 'a' ? 'b' : 'a';
  await one.until('the other has seen the garbage', 60_000, async () => {
    const codes = (await one.report(other))?.findings.map(({ code }) => code) ?? [];
    return codes.includes('message-invalid') ? codes : null;
  });
  expect(await one.report(master.node)).toMatchObject({ phase: 'serving', epoch: master.epoch });
  for (const name of ['a', 'b']) expect(one.agent(name)?.exitCode).toBeNull();
  expect(one.coordinator('a')?.exitCode).toBeNull();
  const said = linesOf(one).slice(before.length);
  expect(said.length, said.join('\n')).toBeLessThan(40);
}, 600_000);

/** What agents and coordinator said of trouble so far: warnings and worse. */
const linesOf = (one: Rig): string[] =>
  [one.node('a').log, one.node('b').log, `${one.node('a').directory}/coordinator.log`]
    .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
    .filter((line) => /"level":[456]0/.test(line) || (/^\D/.test(line) && !line.startsWith('{')));
