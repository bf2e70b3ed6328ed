/**
 * One node of a stream test: real datastore adapter, sender and receiver on a real clock, in a
 * temporary directory; a KineServer stands for its k3s while it is master.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatastore } from '../../../agent/adapters/datastore/datastore.ts';
import type {
  ArchiveStore,
  Datastore,
  RevisionSource,
  StreamFinding,
  StreamLimits,
  StreamPosition,
  StreamReceiver,
  StreamSender,
} from '../../../agent/stream/api.ts';
import { streamReceiver } from '../../../agent/stream/receiver.ts';
import { streamSender } from '../../../agent/stream/sender.ts';
import { systemClock } from '../../../shared/adapters/system-clock.ts';
import { milliseconds } from '../../../shared/time/duration.ts';
import { KineServer, liveObjects } from './kine-server.ts';
import type { LoopbackNetwork } from './loopback.ts';

/** Waits until `condition` holds; the test's own timeout is the limit. */
export const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await sleep(2);
};

export const quickLimits: Partial<StreamLimits> = { redialDelay: milliseconds(5) };

const unheard = (source: RevisionSource): RevisionSource =>
  new Proxy(source, {
    get(target, name: keyof RevisionSource) {
      if (name === 'onChange') return () => () => undefined;
      const member: unknown = target[name];
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });

export class TestNode {
  readonly name: string;
  readonly folder: string;
  readonly clock = systemClock();
  readonly findings: StreamFinding[] = [];
  readonly acknowledged: { receiver: string; position: StreamPosition }[] = [];
  readonly higherEpochs: number[] = [];
  readonly #network: LoopbackNetwork;
  highestEpoch = 0;
  bootId = 'boot-1';
  archives: ArchiveStore | null = null;
  limits: Partial<StreamLimits> = quickLimits;
  /** Its watch on the datastore says nothing; set before it serves. */
  deaf = false;
  datastore: Datastore;
  server: KineServer | null = null;
  source: RevisionSource | null = null;
  sender: StreamSender | null = null;
  receiver: StreamReceiver | null = null;

  constructor(name: string, network: LoopbackNetwork) {
    this.name = name;
    this.#network = network;
    this.folder = mkdtempSync(join(tmpdir(), `baton-stream-${name}-`));
    this.datastore = this.#open();
  }

  #open(): Datastore {
    return openDatastore({
      k3sDataDirectory: `${this.folder}/k3s`,
      replicaDirectory: `${this.folder}/replica`,
      stateDirectory: `${this.folder}/state`,
      bootId: this.bootId,
      clock: this.clock,
    });
  }

  /** The agent starts again, after a reboot with another `bootId`. */
  restart(bootId = this.bootId): void {
    this.receiver?.close();
    this.receiver = null;
    this.sender?.close('restart');
    this.sender = null;
    this.datastore.close();
    this.bootId = bootId;
    this.datastore = this.#open();
  }

  /** Installs, starts the server and sends. */
  async promote(epoch: number, from: 'server' | 'replica' | 'none', raise: boolean) {
    const result = await this.install(epoch, from, raise);
    this.serve(epoch);
    return result;
  }

  /** What a promotion does before it starts the server. */
  async install(epoch: number, from: 'server' | 'replica' | 'none', raise: boolean) {
    this.receiver?.follow(null);
    this.highestEpoch = epoch;
    const previousMaster = from === 'none' ? null : 'before';
    const result = await this.datastore.install({ epoch, raise, previousMaster, from });
    if (!result.ok) throw new TypeError(result.detail);
    return result;
  }

  serve(epoch: number): void {
    this.server = new KineServer(`${this.folder}/k3s`);
    this.send(epoch);
  }

  /** Sends what the server in this node's `k3s` folder writes, whoever runs it. */
  send(epoch: number): void {
    const source = this.deaf ? unheard(this.datastore.startSource()) : this.datastore.startSource();
    this.source = source;
    const sender = streamSender({
      clock: this.clock,
      epoch,
      source,
      archives: this.archives,
      mayReceive: (node) => node !== 'witness',
      wholeCopies: this.datastore.wholeCopies,
      limits: this.limits,
      onAcknowledged: (receiver, position) => this.acknowledged.push({ receiver, position }),
      onHigherEpoch: (higher) => this.higherEpochs.push(higher),
      onFinding: (finding) => this.findings.push(finding),
    });
    this.sender = sender;
    this.#network.serve(this.name, (connection) => sender.attach(connection));
  }

  /** The running server; a test that has none is wrong. */
  get kine(): KineServer {
    if (this.server === null) throw new TypeError(`${this.name} runs no server`);
    return this.server;
  }

  /** Master no more: the server is gone (its files stay), nothing is sent. */
  stopServing(): void {
    this.#network.vanish(this.name);
    this.sender?.close('no longer master');
    this.sender = null;
    this.datastore.stopSource();
    this.source = null;
    this.server?.stop();
    this.server = null;
  }

  follow(master: TestNode, epoch: number): void {
    this.highestEpoch = Math.max(this.highestEpoch, epoch);
    this.receiver ??= streamReceiver({
      clock: this.clock,
      network: this.#network.of(this.name),
      replica: this.datastore.replica,
      archives: this.archives,
      highestEpoch: () => this.highestEpoch,
      onFinding: (finding) => this.findings.push(finding),
      limits: this.limits,
    });
    this.receiver.follow({ node: master.name, host: '127.0.0.1', port: 1, epoch });
  }

  /** Until the replica holds everything that `master` has. */
  async inStepWith(master: TestNode): Promise<void> {
    await until(() => {
      const { revision } = this.datastore.replica.position();
      return revision === master.kine.head() && this.receiver?.state().phase === 'streaming';
    });
  }

  live(): Map<string, string> {
    return liveObjects(this.datastore.replica);
  }

  found(code: StreamFinding['code']): StreamFinding[] {
    return this.findings.filter((finding) => finding.code === code);
  }

  close(): void {
    this.receiver?.close();
    this.sender?.close('the test is over');
    this.server?.stop();
    this.datastore.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
