/**
 * The MQTT broker of one coordinator: aedes with baton's rules and bounds around it.
 *
 * It carries lease messages and reports between nodes and serves people. It is never part of
 * safety: whatever it drops, delays or forges, the lease's own rules hold (DESIGN section 1).
 * Retained state lives in memory only (SD cards); agents publish theirs again when they connect.
 *
 * Every message is QoS 0 in effect: sessions are never kept, so nothing queues for the absent.
 * Sources: DESIGN section 6; MQTT 3.1.1; facts measured on aedes 1.2.0, see the bounds below.
 */
import {
  Aedes,
  type AedesPublishPacket,
  type AuthenticateError,
  type Client,
  type ConnectPacket,
} from 'aedes';
import { BatonError, isBatonError } from '../../shared/errors/baton-error.ts';
import { GuardedStream } from '../../shared/net/mqtt-guarded-stream.ts';
import type { Clock } from '../../shared/ports/clock.ts';
import type { Log } from '../log.ts';
import {
  type Address,
  type Arrival,
  type Door,
  openClusterDoor,
  openReaderDoor,
} from './listeners.ts';
import { NameWatch, type NameWatchEvents } from './name-watch.ts';
import type { KnownNode, TransportKeys } from './parties.ts';
import { RetainedLedger } from './retained-ledger.ts';
import { type RetainedNow, retainInOrder } from './retained-order.ts';
import { bootIdOf, type Session, scopedClientId } from './session.ts';
import { ToldOnce } from './told-once.ts';
import { publishRefusal, subscribeRefusal } from './topic-rules.ts';

/** Bounds, bytes unless named otherwise; the largest packet is a setting. */
export const brokerLimits = {
  /** Readers send nothing but SUBSCRIBE and PINGREQ. */
  readerPacket: 4 * 1024,
  /** Beyond this a slow peer misses messages: stale chatter is worthless. */
  skip: 256 * 1024,
  /** Beyond this a slow peer is disconnected. */
  send: 2 * 1024 * 1024,
  subscriptions: 64,
  retainedTopics: 512,
  retainedBytes: 256 * 1024,
} as const;

export interface BrokerOptions {
  readonly nodes: readonly KnownNode[];
  readonly keys: TransportKeys;
  readonly clock: Clock;
  readonly log: Log;
  readonly at: Address;
  /** Largest packet of a node, bytes. */
  readonly packetLimit: number;
  /** Null: no read-only listener on this machine. */
  readonly readersAt: Address | null;
  readonly names: NameWatchEvents;
  /** As `onMessage`, from the first message on; a later `onMessage` may miss some. */
  readonly handlers?: Readonly<Record<string, MessageHandler>>;
}

export type MessageHandler = (topic: string, payload: Uint8Array) => void;

export interface BrokerStatistics {
  readonly connected: number;
  readonly refusedPublishes: number;
  readonly refusedSubscribes: number;
  /** Messages left out because a peer was slow. */
  readonly skipped: number;
  /** Connections closed for what they sent: too large, malformed, not MQTT. */
  readonly broken: number;
}

export interface Broker {
  readonly port: number;
  readonly readerPort: number | null;
  /** Publishes as the coordinator itself; the rules for nodes do not apply. */
  publish(topic: string, payload: string, options: { retain: boolean }): void;
  /** Messages of the nodes, as raw bytes. The filter is the coordinator's own choice. */
  onMessage(filter: string, handler: MessageHandler): void;
  statistics(): BrokerStatistics;
  close(): Promise<void>;
}

/** A broken rule; it closes the connection and is said where it is found. */
const refused = (reason: string): BatonError =>
  new BatonError('message-invalid', 'operational', reason, { context: { rule: true } });

/** CONNACK 2, "identifier rejected" (MQTT 3.1.1, 3.2.2.3): a name that is taken. */
const nameTaken = (): AuthenticateError =>
  Object.assign(refused('another machine with this name is connected'), { returnCode: 2 });

class AedesBroker implements Broker {
  readonly #options: BrokerOptions;
  readonly #aedes: Aedes;
  readonly #sessions = new WeakMap<object, Session>();
  readonly #streams = new Set<GuardedStream>();
  readonly #names: NameWatch;
  readonly #told = new ToldOnce();
  readonly #ledger = new RetainedLedger({
    topics: brokerLimits.retainedTopics,
    bytes: brokerLimits.retainedBytes,
  });
  readonly #doors: Door[] = [];
  #retained: RetainedNow = new Map();
  readonly #counts = { refusedPublishes: 0, refusedSubscribes: 0, skipped: 0, broken: 0 };
  #serial = 0;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#names = new NameWatch(options.names);
    this.#aedes = this.#createAedes();
  }

  get port(): number {
    return this.#doors[0]?.port ?? 0;
  }

  get readerPort(): number | null {
    return this.#doors[1]?.port ?? null;
  }

  async open(): Promise<void> {
    const { at, readersAt, nodes, keys, log } = this.#options;
    await this.#aedes.listen();
    this.#retained = retainInOrder(this.#aedes);
    for (const [filter, handler] of Object.entries(this.#options.handlers ?? {})) {
      this.onMessage(filter, handler);
    }
    const arrived = (arrival: Arrival): void => this.#arrived(arrival);
    const told = this.#told;
    this.#doors.push(await openClusterDoor({ at, nodes, keys, told, log }, arrived));
    if (readersAt !== null) await this.#openReaders(readersAt, arrived);
  }

  /** Without it people on this machine see nothing; the cluster goes on, so it is only said. */
  async #openReaders(at: Address, arrived: (arrival: Arrival) => void): Promise<void> {
    try {
      this.#doors.push(await openReaderDoor(at, arrived));
    } catch (error) {
      if (!isBatonError(error)) throw error;
      this.#options.log.warn({ ...at, code: error.code }, error.message);
    }
  }

  publish(topic: string, payload: string, { retain }: { retain: boolean }): void {
    this.#aedes.publish(
      { cmd: 'publish', qos: 0, dup: false, topic, payload: Buffer.from(payload), retain },
      () => {},
    );
  }

  onMessage(filter: string, handler: MessageHandler): void {
    this.#aedes.subscribe(
      filter,
      (packet, done) => {
        handler(packet.topic, Buffer.from(packet.payload));
        done();
      },
      () => {},
    );
  }

  statistics(): BrokerStatistics {
    return { connected: this.#streams.size, ...this.#counts };
  }

  async close(): Promise<void> {
    const closed = this.#doors.map((door) => door.close());
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    for (const stream of this.#streams) stream.destroy();
    await Promise.all(closed);
  }

  #createAedes(): Aedes {
    const aedes = new Aedes({
      // A publisher waits for no subscriber (GuardedStream); this is for aedes' own sake.
      drainTimeout: 10_000,
      connectTimeout: 10_000,
      maxInflightInbound: 16,
      maxClientsIdLength: 256,
      maxTopicLevels: 16,
      preConnect: (client, packet, done) => this.#connecting(client, packet, done),
      authenticate: (client, _user, _password, done) => {
        const session = this.#sessions.get(client.conn);
        const barred = session?.named != null && this.#isBarred(session);
        if (session === undefined || barred) done(nameTaken(), false);
        else {
          if (session.named !== null) this.#names.arrived(session.named);
          done(null, true);
        }
      },
      authorizePublish: (client, packet, done) => done(this.#publishing(client, packet)),
      authorizeSubscribe: (client, subscription, done) =>
        done(null, this.#maySubscribe(client, subscription.topic) ? subscription : null),
      authorizeForward: (client, packet) => this.#forwarded(client, packet),
    });
    aedes.on('ping', (_packet, client) => this.#heard(client));
    aedes.on('clientError', (client, error) => this.#failed(client, error));
    aedes.on('connectionError', (client, error) => this.#failed(client, error));
    return aedes;
  }

  #arrived({ socket, party, identity }: Arrival): void {
    const reader = party.kind === 'reader';
    const stream = new GuardedStream(socket, {
      packetLimit: reader ? brokerLimits.readerPacket : this.#options.packetLimit,
      sendLimit: brokerLimits.send,
    });
    this.#serial += 1;
    const session: Session = {
      party,
      identity,
      from: socket.remoteAddress ?? 'unknown',
      serial: this.#serial,
      stream,
      named: null,
      will: null,
    };
    this.#sessions.set(stream, session);
    this.#streams.add(stream);
    stream.once('close', () => {
      this.#streams.delete(stream);
      if (session.named !== null) this.#names.left(session.named);
    });
    this.#aedes.handle(stream);
  }

  #connecting(
    client: Client,
    packet: ConnectPacket,
    done: (error: Error | null, success: boolean) => void,
  ): void {
    const session = this.#sessions.get(client.conn);
    if (session === undefined) return done(refused('unknown connection'), false);
    const { party } = session;
    const will = packet.will ?? null;
    if (will !== null) {
      const refusal = publishRefusal(party, will.topic);
      if (refusal !== null) return done(this.#refusePublish(session, will.topic, refusal), false);
    }
    const bootId = party.kind === 'node' ? bootIdOf(party.node, will) : null;
    if (party.kind === 'node' && bootId !== null) {
      session.named = {
        node: party.node,
        bootId,
        arrivedAt: this.#options.clock.now(),
        close: () => session.stream.destroy(),
      };
    }
    session.will = will;
    packet.clientId = scopedClientId(session, packet.clientId);
    // No session is kept for the absent: their queues would grow without bound in memory.
    packet.clean = true;
    done(null, true);
  }

  #isBarred(session: Session): boolean {
    const named = session.named;
    return named !== null && this.#names.isBarred(named.node, named.bootId);
  }

  #heard(client: Client): void {
    const named = this.#sessions.get(client.conn)?.named ?? null;
    if (named !== null) this.#names.heard(named, this.#options.clock.now());
  }

  /** Null when the message may pass; an error closes the connection (MQTT 3.1.1, 3.3.5). */
  #publishing(
    client: Client | null,
    packet: { topic: string; payload: string | Buffer; retain: boolean },
  ): Error | null {
    const session = client === null ? undefined : this.#sessions.get(client.conn);
    if (client === null || session === undefined) return refused('unknown connection');
    if (packet === session.will) {
      const stale = session.named !== null && this.#names.isContradicted(session.named);
      if (stale) return refused('this will is of another boot');
    } else this.#heard(client);
    const refusal = publishRefusal(session.party, packet.topic);
    if (refusal !== null) return this.#refusePublish(session, packet.topic, refusal);
    const bytes = Buffer.byteLength(packet.payload);
    if (packet.retain && !this.#ledger.book(session.identity, packet.topic, bytes)) {
      packet.retain = false;
      this.#say(session, 'retain', 'keeps too much here; further topics of it are not retained');
    }
    return null;
  }

  #refusePublish(session: Session, topic: string, refusal: string): BatonError {
    this.#counts.refusedPublishes += 1;
    this.#say(session, 'publish', `may not publish on ${topic}: ${refusal}`);
    return refused(refusal);
  }

  #maySubscribe(client: Client, filter: string): boolean {
    const session = this.#sessions.get(client.conn);
    if (session === undefined) return false;
    const held = (client as unknown as { subscriptions: object }).subscriptions;
    const refusal =
      Object.keys(held).length >= brokerLimits.subscriptions
        ? `more than ${brokerLimits.subscriptions} subscriptions`
        : subscribeRefusal(session.party, filter);
    if (refusal === null) return true;
    this.#counts.refusedSubscribes += 1;
    this.#say(session, 'subscribe', `may not read ${filter}: ${refusal}`);
    return false;
  }

  /** A slow peer misses messages; what it asked to see of retained state is sent, as it is now. */
  #forwarded(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    if (!packet.retain) return this.#hasRoom(client) ? packet : null;
    const payload = this.#retained.get(packet.topic);
    return payload === undefined ? null : Object.assign(packet, { payload });
  }

  #hasRoom(client: Client): boolean {
    const session = this.#sessions.get(client.conn);
    if (session !== undefined && session.stream.queued <= brokerLimits.skip) return true;
    this.#counts.skipped += 1;
    if (session !== undefined) this.#say(session, 'slow', 'is slow and misses messages');
    return false;
  }

  #failed(client: Client, error: NodeJS.ErrnoException): void {
    // A reset or a vanished peer is everyday; the will tells people.
    if (error.syscall !== undefined) return;
    // Said already, with the topic.
    if (isBatonError(error) && error.context.rule === true) return;
    this.#counts.broken += 1;
    const session = this.#sessions.get(client.conn);
    if (session !== undefined) this.#say(session, 'error', error.message);
  }

  /** Once per peer and kind. */
  #say(session: Session, kind: string, text: string): void {
    const { identity, from } = session;
    if (!this.#told.isNews(`${identity}@${from}`, kind)) return;
    this.#options.log.warn({ identity, from, kind }, `${identity} (${from}): ${text}`);
  }
}

/** Opens both listeners. Errors, of the cluster's: `port-in-use`, `permission-denied`. */
export const openBroker = async (options: BrokerOptions): Promise<Broker> => {
  const broker = new AedesBroker(options);
  try {
    await broker.open();
  } catch (error) {
    await broker.close();
    throw error;
  }
  return broker;
};
