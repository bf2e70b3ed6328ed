/**
 * What an operator orders after having looked at the whole cluster: founding (L9, L14).
 *
 * `baton found` ends a wait that cannot end by itself: a wiped voter that no majority can teach, or
 * a node without rows that waits for those of others. The operator says by it that nobody else
 * knows more. Here that is looked up on every card, also of machines that are off, and the order is
 * given only where it is true; `found_wrong` gives it anyway, and is beyond the model.
 */
import { compareLists } from '../../agent/core/lease/member-list.ts';
import type { CoreState } from '../../agent/core/state.ts';
import type { Command, DiskRecord } from '../../agent/core/types.ts';
import { feed } from './agent-process.ts';
import { headOf } from './store.ts';
import { disturb, happening, isAwake, type Machine, type World } from './world.ts';

/** How often the operator looks, ms. */
const looksEvery = 500;

export function order(world: World, machine: Machine, command: Command): void {
  world.commands += 1;
  feed(world, machine, { kind: 'command', id: `c${world.commands}`, command });
}

/** What the operator stays for. */
export interface Visit {
  /** True time at which the operator leaves. */
  readonly until: number;
  readonly careful: boolean;
}

/** Founds at the first node where it is due; comes back later while there is none. */
export function lookToFound(world: World, visit: Visit): void {
  const stuck = world.machines.find(
    (machine) => waitsToLearn(machine) && (!visit.careful || nobodyKnowsMore(world, machine)),
  );
  const empty = isEmpty(world) ? world.machines.find(waitsForRows) : undefined;
  const machine = stuck ?? empty;
  if (machine !== undefined) {
    disturb(world);
    world.coverage.counts.foundings += 1;
    order(world, machine, { name: 'found' });
  } else if (world.now < visit.until) {
    world.queue.push(world.now + looksEvery, happening.found, -1, 0, visit);
  }
}

const stateOf = (machine: Machine): CoreState => machine.state as CoreState;

const waitsToLearn = (machine: Machine): boolean =>
  isAwake(machine) && machine.disk === null && stateOf(machine).learning !== null;

/** Whatever stands on any card, or was ever granted, is among the answers to this node. */
function nobodyKnowsMore(world: World, machine: Machine): boolean {
  const told = Object.values(stateOf(machine).learning?.answers ?? {}).filter(
    ({ answer }) => answer === 'record',
  );
  const epoch = Math.max(0, ...told.map(({ highest_epoch }) => highest_epoch));
  const isTold = (disk: DiskRecord): boolean =>
    disk.highest_epoch <= epoch &&
    told.some(({ list }) => list !== null && compareLists(list, disk.list) >= 0);
  return (
    world.judge.highestEpoch <= epoch &&
    world.machines.every(({ disk }) => disk === null || isTold(disk))
  );
}

/** Nobody holds a single row, in memory or on a card. */
const isEmpty = (world: World): boolean =>
  world.machines.every(({ store }) => headOf(store.chain) === 0 && headOf(store.saved.chain) === 0);

const waitsForRows = (machine: Machine): boolean =>
  isAwake(machine) &&
  machine.disk !== null &&
  machine.config.nodes[machine.index]?.eligible === true &&
  stateOf(machine).run.held === null;
