/**
 * Both carriers at once: every coordinator's broker and the direct links (DESIGN section 6).
 *
 * What people must see of them (a wrong key, a second machine under one name, a broker that
 * refuses) becomes a finding, told once and taken back when the peer is heard again.
 */

import { isBatonError } from '../../shared/errors/baton-error.ts';
import {
  type BrokerAddress,
  type BusNotice,
  type MqttBus,
  mqttBus,
} from '../../shared/net/mqtt-bus.ts';
import { type LinkProblem, pskLinks } from '../../shared/net/psk-links.ts';
import { openReaderRelay, type ReaderRelay } from '../../shared/net/reader-relay.ts';
import type { FrameConnection, LinkNetwork } from '../../shared/ports/network.ts';
import type { LeaseRefusal } from '../../shared/protocol/lease-codec.ts';
import type { LeaseMessage, NodeName } from '../../shared/protocol/lease-messages.ts';
import type { NodeReport } from '../../shared/protocol/report.ts';
import { sealReport } from '../../shared/protocol/report-codec.ts';
import { type LeaseLinks, type LinkNotice, leaseLinks } from '../actions/lease-links.ts';
import { type Messenger, messenger } from '../actions/messenger.ts';
import { type PeerReports, peerReports } from '../actions/peer-reports.ts';
import { listenHost, type Place } from './place.ts';

/** Bytes of this start's name towards peers (psk-links). */
const LIFE_BYTES = 8;

export interface Carriers {
  send(to: NodeName, message: LeaseMessage): void;
  readonly bus: MqttBus;
  readonly peers: PeerReports;
  sendReport(report: NodeReport): void;
  close(): Promise<void>;
}

/** The links alone: the stream's receiver dials through them too. */
export const linkNetwork = (place: Place): LinkNetwork =>
  pskLinks({
    keyring: place.keyring,
    life: place.random.hex(LIFE_BYTES),
    onProblem: ({ code, node, host, text }: LinkProblem) =>
      place.findings.note(code, text, node ?? host),
  });

/** Where to with what comes in. */
interface Arrivals {
  readonly onBulk: (connection: FrameConnection) => void;
  readonly onMessage: (from: NodeName, message: LeaseMessage) => void;
}

/** Errors: `port-in-use` for the link port, which ends the agent. */
export async function openCarriers(
  place: Place,
  network: LinkNetwork,
  { onBulk, onMessage }: Arrivals,
): Promise<Carriers> {
  const { settings, self, keyring, clock, findings } = place;
  const names = settings.cluster.nodes.map(({ name }) => name);
  const peers = peerReports(keyring, names, clock);
  let letters: Messenger | null = null;
  const receive: Messenger['receive'] = (from, bytes) => letters?.receive(from, bytes);
  const links: LeaseLinks = leaseLinks({
    network,
    clock,
    peers: settings.cluster.nodes
      .filter(({ name, eligible }) => eligible && name !== self.name)
      .map(({ name, address, link_port }) => ({ name, host: address, port: link_port })),
    onLease: receive,
    onReport: (from, bytes) => peers.byLink(from, bytes),
    onBulk,
    notice: (notice) => linkNotice(place, notice),
    linkUp: (peer) => letters?.pathUp(peer),
  });
  const listening = await network
    .listen({ host: listenHost(self.address), port: self.link_port }, (connection) =>
      links.accept(connection),
    )
    .catch((error: unknown) => {
      links.close();
      throw error;
    });
  const bus = openBus(place, peers, { onLease: receive, brokerUp: () => letters?.pathUp() });
  const opened = messenger({
    keyring,
    clock,
    paths: [
      (to, bytes) => links.send(to, 'lease', bytes),
      (to, bytes) => bus.publishLease(to, bytes),
    ],
    onMessage,
    refused: (from, reason) => findings.note('message-invalid', refusalText(from, reason), from),
  });
  letters = opened;
  const relay = await readerRelay(place);
  return {
    send: opened.send,
    bus,
    peers,
    sendReport(report) {
      for (const to of links.connected()) {
        const sealed = sealReport(keyring, to, report);
        if (sealed !== null) links.send(to, 'report', sealed);
      }
    },
    async close() {
      links.close();
      await Promise.all([bus.close(), listening.close(), relay?.close()]);
    },
  };
}

/** What was refused, what it means, what to do; who sent it is only what the path claims. */
function refusalText(from: string, reason: LeaseRefusal): string {
  const what = `lease messages that came as ${from} are ignored (${reason}): `;
  if (reason === 'message-invalid' || reason === 'not-its-own') {
    // The seal is right, so it is a node of this cluster.
    return (
      `${what}it runs a version of baton that this one does not understand - install one ` +
      'version on every node'
    );
  }
  return (
    `${what}it holds another cluster key, or something else sends in its name - compare the ` +
    'key files of the two'
  );
}

const brokersOf = ({ settings }: Place): readonly BrokerAddress[] =>
  settings.cluster.nodes
    .filter(({ coordinator }) => coordinator)
    .map(({ name, address, mqtt_port }) => ({ name, host: address, port: mqtt_port }));

interface BusEnds {
  readonly onLease: (from: string, bytes: Uint8Array) => void;
  readonly brokerUp: () => void;
}

function openBus(place: Place, peers: PeerReports, { onLease, brokerUp }: BusEnds): MqttBus {
  const { self, keyring, clock, random, bootId } = place;
  let order = '';
  const bus = mqttBus({
    node: self.name,
    bootId,
    brokers: brokersOf(place),
    credentials: keyring.brokerPsk(),
    clock,
    random,
    notice(notice) {
      busNotice(place, notice);
      if (notice.state === 'up') brokerUp();
    },
  });
  bus.onLease(onLease);
  bus.onReport((from, json) => peers.byBroker(from, json));
  bus.onRanking((coordinator, json) => {
    peers.ranked(coordinator, json);
    const ranking = peers.ranking(bus.connected());
    const names = ranking?.order.map(({ node }) => node) ?? [];
    if (names.join(' ') === order) return;
    order = names.join(' ');
    place.post({ kind: 'ranking', order: names });
  });
  return bus;
}

/** What a link that stands takes back. */
const mended = [
  'link-key-refused',
  'link-refused',
  'duplicate-node',
  'frame-broken',
  'message-invalid',
] as const;

function linkNotice({ findings, log }: Place, { peer, state, code, text }: LinkNotice): void {
  if (code !== null) {
    findings.note(code, text, peer);
    return;
  }
  if (state === 'up') for (const known of mended) findings.clear(known, peer);
  log.info({ peer }, text);
}

const busFindings: Readonly<Partial<Record<BusNotice['state'], string>>> = {
  'key-refused': 'link-key-refused',
  'name-taken': 'duplicate-node',
  refused: 'link-refused',
};

function busNotice({ findings, log }: Place, { broker, state, text }: BusNotice): void {
  const subject = `coordinator ${broker}`;
  const code = busFindings[state];
  if (code !== undefined) {
    findings.note(code, text, subject);
    return;
  }
  if (state === 'up') {
    for (const known of Object.values(busFindings)) findings.clear(known, subject);
  }
  log.info({ broker }, text);
}

/** Nodes with a coordinator have its own listener; a port that is taken is no reason to end. */
async function readerRelay(place: Place): Promise<ReaderRelay | null> {
  const { settings, self, keyring, clock, findings } = place;
  if (self.coordinator) return null;
  const { reader_address: host, reader_port: port } = settings.mqtt;
  try {
    return await openReaderRelay({
      at: { host, port },
      node: self.name,
      key: keyring.brokerPsk().key,
      brokers: brokersOf(place),
      clock,
    });
  } catch (error) {
    if (!isBatonError(error) || error.kind === 'invariant') throw error;
    findings.note(error.code, error.message, 'reader');
    return null;
  }
}
