/**
 * One agent's connection to one coordinator's broker, kept up for as long as the agent runs.
 *
 * Reconnects with a growing, jittered pause; says once why it cannot connect, and again only when
 * the reason changes or after it was connected. Nothing queues while it is down: at QoS 0 a stale
 * message is worthless (the client's own outage queue is unbounded by default).
 *
 * Not promised: that a message arrives. A hung broker is noticed after about 1.5 keepalives.
 */
import { connect as tlsConnect } from 'node:tls';
import { MqttClient } from 'mqtt';
import type { Clock, TimerHandle } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { type Duration, instant, milliseconds, scaled } from '../time/duration.ts';
import { GuardedStream } from './mqtt-guarded-stream.ts';
import { handshakeFailure, type PskCredentials, pskClientOptions } from './mqtt-tls.ts';

/** A coordinator's broker. `name` is its node's name. */
export interface BrokerAddress {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** Why a broker cannot be used. */
export type LinkTrouble = 'unreachable' | 'key-refused' | 'name-taken' | 'refused';

export interface LinkEvents {
  /** Connected and subscribed for; publish what is retained now. */
  up(): void;
  /** Was up, and is not any more. */
  down(): void;
  /** Once for each new trouble. */
  trouble(kind: LinkTrouble, detail: string): void;
  message(topic: string, payload: Uint8Array): void;
}

export interface LinkOptions {
  readonly broker: BrokerAddress;
  readonly credentials: PskCredentials;
  readonly clientId: string;
  readonly will: { readonly topic: string; readonly payload: string };
  readonly subscriptions: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
}

/** Bytes waiting for one broker beyond which messages are left out. */
const SKIP_LIMIT = 256 * 1024;
const guardLimits = { packetLimit: 128 * 1024, sendLimit: 1024 * 1024 };
/** Also how long a hung broker goes unnoticed (times 1.5), and how often an idle link wakes. */
const KEEPALIVE_S = 10;
const CONNECT_LIMIT_MS = 5000;
const FIRST_PAUSE = milliseconds(250);
const LONGEST_PAUSE = milliseconds(5000);
/** A connection that lived for this long was a good one: the next loss is answered quickly. */
const STEADY = milliseconds(5000);
/** With a refused key or name nothing changes until a person acts. */
const REFUSED_PAUSE = milliseconds(30_000);

export class BrokerLink {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #client: MqttClient;
  #stream: GuardedStream | null = null;
  #pause: Duration = FIRST_PAUSE;
  #trouble: LinkTrouble | null = null;
  /** Of the attempt that is under way. */
  #failure: { kind: LinkTrouble; detail: string } | null = null;
  #retry: TimerHandle | null = null;
  #up = false;
  #upSince = instant(0);
  #closed = false;
  #skipped = 0;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#client = this.#createClient();
  }

  get name(): string {
    return this.#options.broker.name;
  }

  get isUp(): boolean {
    return this.#up;
  }

  /** Messages left out because the broker took too little. */
  get skipped(): number {
    return this.#skipped;
  }

  /** False when it was dropped: not connected, or too much waits already. */
  send(topic: string, payload: string | Uint8Array, retain: boolean): boolean {
    if (!this.#up || this.#stream === null) return false;
    if (this.#stream.queued > SKIP_LIMIT) {
      this.#skipped += 1;
      return false;
    }
    const bytes = typeof payload === 'string' ? payload : Buffer.from(payload);
    this.#client.publish(topic, bytes, { qos: 0, retain });
    return true;
  }

  /** Sends what was published, says goodbye (no will follows) and ends. */
  close(): Promise<void> {
    this.#closed = true;
    this.#up = false;
    this.#retry?.cancel();
    return new Promise((resolve) => {
      // A broker that does not answer must not hold up the end of the agent.
      const limit = this.#options.clock.in(milliseconds(500), () => {
        this.#stream?.destroy();
        resolve();
      });
      this.#client.end(!this.#client.connected, {}, () => {
        limit.cancel();
        resolve();
      });
    });
  }

  #createClient(): MqttClient {
    const { clientId, will } = this.#options;
    const client = new MqttClient(() => this.#dial(), {
      clientId,
      clean: true,
      protocolVersion: 4,
      keepalive: KEEPALIVE_S,
      connectTimeout: CONNECT_LIMIT_MS,
      queueQoSZero: false,
      resubscribe: false,
      // Reconnecting is done here, with a growing pause; 0 turns the client's own off.
      reconnectPeriod: 0,
      timerVariant: 'native',
      // The cache of all 65536 two-byte numbers is 7 MB of heap; packets here are few.
      writeCache: false,
      will: { ...will, payload: Buffer.from(will.payload), qos: 0, retain: true },
    });
    client.on('connect', () => this.#connected());
    client.on('error', (error) => this.#failed(error));
    client.on('close', () => this.#lost());
    client.on('message', (topic, payload) => this.#events.message(topic, payload));
    return client;
  }

  #dial(): GuardedStream {
    const { broker, credentials } = this.#options;
    this.#failure = null;
    const socket = tlsConnect({
      ...pskClientOptions(credentials),
      host: broker.host,
      port: broker.port,
    });
    socket.setNoDelay(true);
    this.#stream = new GuardedStream(socket, guardLimits);
    return this.#stream;
  }

  #connected(): void {
    this.#client.subscribe([...this.#options.subscriptions], { qos: 0 }, (error, granted) => {
      // A connection that ended meanwhile is told as that.
      if (!this.#up || this.#stream?.destroyed !== false) return;
      const denied = (granted ?? []).filter((one) => one.qos > 2).map((one) => one.topic);
      if (error == null && denied.length === 0) return;
      this.#tell('refused', error?.message ?? `may not read ${denied.join(', ')}`);
    });
    this.#up = true;
    this.#upSince = this.#options.clock.now();
    this.#trouble = null;
    this.#events.up();
  }

  #failed(error: Error): void {
    const connack = (error as { code?: unknown }).code;
    const handshake = handshakeFailure(error);
    if (handshake !== null) {
      const kind = handshake.kind === 'key' ? 'key-refused' : 'unreachable';
      this.#failure = { kind, detail: handshake.words };
    } else if (connack === 2) this.#failure = { kind: 'name-taken', detail: error.message };
    else if (typeof connack === 'number') {
      this.#failure = { kind: 'refused', detail: error.message };
    } else this.#failure ??= { kind: 'unreachable', detail: error.message };
  }

  #lost(): void {
    const wasUp = this.#up;
    this.#up = false;
    if (this.#closed) return;
    const failure = this.#failure ?? { kind: 'unreachable', detail: 'the connection was closed' };
    this.#failure = null;
    if (wasUp) this.#events.down();
    if (!wasUp || failure.kind !== 'unreachable') this.#tell(failure.kind, failure.detail);
    // A broker that takes everybody and keeps nobody is left alone for longer and longer.
    if (wasUp && this.#options.clock.now() - this.#upSince >= STEADY) this.#pause = FIRST_PAUSE;
    const hopeless = failure.kind !== 'unreachable';
    const pause = hopeless ? REFUSED_PAUSE : this.#pause;
    this.#pause = milliseconds(Math.min(LONGEST_PAUSE, this.#pause * 2));
    // Between half and all of it: agents of a whole cluster must not come back in step.
    const jittered = scaled(pause, 0.5 + this.#options.random.unit() / 2);
    this.#retry?.cancel();
    this.#retry = this.#options.clock.in(jittered, () => this.#client.reconnect());
  }

  #tell(kind: LinkTrouble, detail: string): void {
    if (this.#trouble === kind) return;
    this.#trouble = kind;
    this.#events.trouble(kind, detail);
  }
}
