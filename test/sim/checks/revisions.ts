/**
 * No number is given to two rows (DESIGN section 4, raise on loss), and a clean release means what
 * it says: the named successor holds every row (section 5, L13).
 */
import type { Release } from '../../../shared/protocol/lease-messages.ts';
import { type Chain, commonHead, headOf, type Segment } from '../store.ts';
import { type Machine, machineOf, type World } from '../world.ts';

export interface RevisionRules {
  wrote(head: number): void;
  /** A new tenure begins on these rows. */
  began(chain: Chain): void;
  /** Rows that its lineage has cut off must not come back: text of the breach, or null. */
  mixed(machine: Machine): string | null;
  /** Text of the breach, or null. */
  serverStarted(machine: Machine): string | null;
}

export function revisionRules(head: number): RevisionRules {
  let highest = head;
  /** On which rows each tenure began. */
  const bases = new Map<number, Segment | undefined>();
  return {
    began(chain) {
      const own = chain[chain.length - 1];
      if (own !== undefined) bases.set(own.tenure, chain[chain.length - 2]);
    },
    mixed(machine) {
      const { chain } = machine.store;
      for (let i = 1; i < chain.length; i += 1) {
        const { tenure } = chain[i] as Segment;
        if (!bases.has(tenure)) continue;
        const base = bases.get(tenure);
        const below = chain[i - 1] as Segment;
        if (base?.tenure === below.tenure && base.last === below.last) continue;
        return `${machine.name} starts on rows that the lineage of its epoch had cut off`;
      }
      return null;
    },
    wrote(head) {
      if (head > highest) highest = head;
    },
    serverStarted(machine) {
      const head = headOf(machine.store.chain);
      if (head >= highest) {
        highest = head;
        return null;
      }
      return (
        `${machine.name} starts at revision ${head} although numbers up to ${highest} have been ` +
        `given out: they would be used again`
      );
    },
  };
}

export function releaseKeepsPromise(
  world: World,
  machine: Machine,
  release: Release,
): string | null {
  if (release.last_revision === null || release.successor === null) return null;
  if (machine.server.running) return `${machine.name} releases cleanly while its server runs`;
  const to = machineOf(world, world.indexOf.get(release.successor) ?? machine.index);
  const head = headOf(machine.store.chain);
  // A successor that lost its copy in the meantime does not hold the role either.
  if (!to.powered || !to.up) return null;
  const has = commonHead(machine.store.chain, to.store.chain);
  if (has >= head) return null;
  return `${machine.name} hands over to ${to.name}, which holds ${has} of ${head} revisions`;
}
