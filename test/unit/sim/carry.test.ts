/**
 * The simulator's rows against the shipped lineage: whatever was written, lost, promoted and
 * streamed, a table says of its rows what is true of them, and nobody keeps a foreign row.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commonEnd, positionOf } from '../../../agent/stream/lineage.ts';
import { carry } from '../../sim/carry.ts';
import {
  beginTenure,
  commonHead,
  cutTo,
  emptyStore,
  epochOf,
  grow,
  headOf,
  type Store,
} from '../../sim/store.ts';

const who = fc.nat(2);
const action = fc.oneof(
  fc.record({ kind: fc.constant('writes' as const), count: fc.nat(5) }),
  fc.record({ kind: fc.constant('streams' as const), to: who, lag: fc.nat(4) }),
  fc.record({ kind: fc.constant('promoted' as const), to: who }),
  fc.record({ kind: fc.constant('handed over' as const), to: who }),
  fc.record({ kind: fc.constant('power cut' as const), lost: fc.nat(4) }),
);

type Action = typeof action extends fc.Arbitrary<infer Each> ? Each : never;

class Nodes {
  readonly stores: readonly Store[] = [emptyStore(), emptyStore(), emptyStore()];
  master = 0;
  tenure = 0;

  at(node: number): Store {
    return this.stores[node] as Store;
  }

  begin(node: number, raise: boolean): void {
    this.tenure += 1;
    this.master = node;
    const store = this.at(node);
    Object.assign(store, beginTenure(store, { tenure: this.tenure, epoch: this.tenure, raise }));
  }

  stream(to: number, lag: number): boolean {
    return to !== this.master && carry(this.at(this.master), this.at(to), lag);
  }

  act(what: Action): void {
    const { chain } = this.at(this.master);
    switch (what.kind) {
      case 'writes':
        this.at(this.master).chain = grow(chain, what.count);
        break;
      case 'streams':
        this.stream(what.to, what.lag);
        break;
      case 'promoted':
        this.begin(what.to, true);
        break;
      case 'handed over':
        if (this.stream(what.to, 0)) this.begin(what.to, false);
        break;
      case 'power cut': {
        const first = chain.at(-1)?.first ?? 0;
        this.at(this.master).chain = cutTo(chain, Math.max(first, headOf(chain) - what.lost));
        this.begin(this.master, true);
      }
    }
  }
}

const ofTable = ({ chain, lineage }: Store) => ({ lineage, head: headOf(chain) });

test('the shipped lineage finds what two chains have in common, and who wrote the last row', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const nodes = new Nodes();
      nodes.begin(0, false);
      for (const what of actions) {
        nodes.act(what);
        for (const one of nodes.stores) {
          const { lineageEpoch } = positionOf(one.lineage, headOf(one.chain));
          expect(lineageEpoch).toBe(epochOf(one.chain));
          for (const other of nodes.stores) {
            expect(commonEnd(ofTable(one), ofTable(other))).toBe(
              commonHead(one.chain, other.chain),
            );
          }
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('a receiver ends with its master’s rows, and is cut back no further than it must be', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), who, fc.nat(9), (actions, to, lag) => {
      const nodes = new Nodes();
      nodes.begin(0, false);
      for (const what of actions) nodes.act(what);
      const { chain } = nodes.at(nodes.master);
      const shared = commonHead(chain, nodes.at(to).chain);
      if (!nodes.stream(to, lag)) return;
      const own = nodes.at(to).chain;
      expect(commonHead(chain, own)).toBe(headOf(own));
      expect(headOf(own)).toBeGreaterThanOrEqual(shared);
      nodes.stream(to, 0);
      expect(headOf(nodes.at(to).chain)).toBe(headOf(chain));
    }),
    { numRuns: 500 },
  );
});
