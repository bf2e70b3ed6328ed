/**
 * Direct links in memory: one network, as many nodes on it as a test needs. It refuses what the
 * real one refuses: another key, an unknown name, a wrong address, a second machine of one name, a
 * port that is taken.
 *
 * Has no bytes, so no frame can be broken, no keepalive, and no time: whoever dials is answered at
 * once.
 */
import type { BatonError } from '../../errors/baton-error.ts';
import type { ConnectionBounds } from '../../net/frame-connection.ts';
import { LinkRivals } from '../../net/frame-rivals.ts';
import {
  type DialTarget,
  dialRefused,
  nobodyListens,
  portInUse,
  refusedKey,
} from '../../net/psk-link-errors.ts';
import type { FrameConnection, LinkNetwork, LinkPurpose } from '../network.ts';
import { MemoryConnection } from './memory-connection.ts';

export interface MemoryNode {
  readonly name: string;
  /** Nodes with different words cannot talk; the default is the same for all. */
  readonly key?: string;
  /** Names whose links this node takes; everybody's without it. */
  readonly knows?: readonly string[];
}

export interface MemoryNetwork {
  /** One process on a node; called again it is a new life, or another machine of that name. */
  join(node: MemoryNode): LinkNetwork;
}

interface Listening {
  readonly life: Life;
  readonly onConnection: (connection: FrameConnection) => void;
  readonly taken: Set<MemoryConnection>;
}

interface Life {
  readonly node: MemoryNode;
  readonly word: string;
  readonly rivals: LinkRivals<MemoryConnection>;
}

type Target = DialTarget & { readonly purpose: LinkPurpose };

const FIRST_FREE_PORT = 40_000;

type Bounds = Readonly<Record<LinkPurpose, ConnectionBounds>>;

export function memoryNetwork(bounds?: Bounds): MemoryNetwork {
  return new NetworkInMemory(bounds);
}

class NetworkInMemory implements MemoryNetwork {
  readonly #bounds: Bounds | undefined;
  readonly #ports = new Map<string, Listening>();
  #nextPort = FIRST_FREE_PORT;
  #lives = 0;

  constructor(bounds: Bounds | undefined) {
    this.#bounds = bounds;
  }

  join(node: MemoryNode): LinkNetwork {
    this.#lives += 1;
    const word = `life-${this.#lives}`;
    const life = { node, word, rivals: new LinkRivals<MemoryConnection>() };
    return {
      listen: async (address, onConnection) => this.#listen(life, address, onConnection),
      dial: (target) => this.#dial(life, target),
    };
  }

  #listen(
    life: Life,
    { host, port: wanted }: { host: string; port: number },
    onConnection: Listening['onConnection'],
  ): Awaited<ReturnType<LinkNetwork['listen']>> {
    const port = wanted === 0 ? this.#nextPort++ : wanted;
    const at = `${host}:${port}`;
    if (this.#ports.has(at)) throw portInUse({ host, port });
    const listening = { life, onConnection, taken: new Set<MemoryConnection>() };
    this.#ports.set(at, listening);
    const close = (): Promise<void> => {
      this.#ports.delete(at);
      for (const connection of listening.taken) connection.close('the peer stopped listening');
      return Promise.resolve();
    };
    return { port, close };
  }

  async #dial(life: Life, target: Target): Promise<FrameConnection> {
    const { node, host, port, purpose } = target;
    const listening = this.#ports.get(`${host}:${port}`);
    if (listening === undefined) throw nobodyListens(target);
    const { self, refusal } = greet(life, listening.life, target);
    if (refusal !== null) throw refusal;
    const [dialled, taken] = MemoryConnection.pair(self, node, purpose, this.#bounds?.[purpose]);
    const { rivals, word } = listening.life;
    const admitted = [
      await rivals.admit(self, life.word, () => taken),
      await life.rivals.admit(node, word, () => dialled),
    ];
    if (admitted.includes('rival')) {
      throw dialRefused('duplicate-node', target, 'two machines run under that node name');
    }
    listening.taken.add(taken);
    listening.onConnection(taken);
    return dialled;
  }
}

/** What the listener says to the dialler: null when it is welcome. */
function greet(
  dialler: Life,
  listener: Life,
  target: Target,
): { readonly self: string; readonly refusal: BatonError | null } {
  const self = dialler.node.name;
  const here = listener.node;
  const refuse = (words: string) => ({
    self,
    refusal: dialRefused('link-refused', target, words),
  });
  if (here.knows?.includes(self) === false) return refuse(`it knows no node named ${self}`);
  if (here.key !== dialler.node.key) return { self, refusal: refusedKey(target) };
  if (here.name === self && dialler !== listener) {
    const words = 'two machines run under that node name';
    return { self, refusal: dialRefused('duplicate-node', target, words) };
  }
  if (here.name === self || here.name !== target.node) {
    return refuse(`it asked for ${target.node}, and this is ${here.name}`);
  }
  return { self, refusal: null };
}
