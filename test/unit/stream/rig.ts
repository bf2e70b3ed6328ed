/**
 * What every file of stream tests starts with: a network for each test, nodes on it that are closed
 * after it, and clusters whose receivers hold all that their master has.
 */
import { afterEach, beforeEach } from 'vitest';
import { LoopbackNetwork } from './loopback.ts';
import { TestNode } from './nodes.ts';

/** Enough for a database of many pages, not enough to take time. */
const ROWS = 300;

export interface StreamRig {
  /** The network of the test that runs. */
  readonly network: LoopbackNetwork;
  node(name: string): TestNode;
  /** The first is master under epoch 1; `/registry/x/0` and on are there, as `first…`. */
  cluster<const Names extends readonly [string, ...string[]]>(
    ...names: Names
  ): Promise<{ [Index in keyof Names]: TestNode }>;
  /** A cluster of `pi1`, the master, and `pi2`. */
  pair(): Promise<readonly [TestNode, TestNode]>;
  /** What the master said to the node that dialled last: `copy`, `cut`, `resume`. */
  verdicts(): unknown[];
}

/** Called once per file, outside of its tests. */
export const streamRig = (): StreamRig => {
  let network = new LoopbackNetwork();
  let nodes: TestNode[] = [];
  beforeEach(() => {
    network = new LoopbackNetwork();
  });
  afterEach(() => {
    for (const each of nodes) each.close();
    nodes = [];
  });
  const node = (name: string): TestNode => {
    const made = new TestNode(name, network);
    nodes.push(made);
    return made;
  };
  const cluster: StreamRig['cluster'] = async (...names) => {
    const all = names.map(node) as { [Index in keyof typeof names]: TestNode };
    const [master, ...receivers] = all;
    await master.promote(1, 'none', false);
    const value = `first${'-'.repeat(94)}`;
    for (let count = 0; count < ROWS; count++) master.kine.put(`/registry/x/${count}`, value);
    for (const receiver of receivers) {
      receiver.follow(master, 1);
      await receiver.inStepWith(master);
    }
    return all;
  };
  return {
    get network() {
      return network;
    },
    node,
    cluster,
    pair: () => cluster('pi1', 'pi2'),
    verdicts: () =>
      network
        .last()
        .listener.sent.filter((frame) => frame.type === 'lineage')
        .map((frame) => (frame.header as { verdict: unknown }).verdict),
  };
};
