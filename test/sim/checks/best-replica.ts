/**
 * L14: the replica promoted was the best one that a majority knew of, among those that could be
 * reached.
 *
 * Judged only when the vacancy was quiet (nothing went wrong after the last server stopped), for
 * yielding is bounded in time: with faults in between, a worse replica may rightly win.
 */
import type { CoreState } from '../../../agent/core/state.ts';
import type { Instant } from '../../../shared/time/duration.ts';
import type { FaultKind } from '../fault-kinds.ts';
import { canTalk } from '../network.ts';
import { epochOf, headOf } from '../store.ts';
import { bootClock, isAwake, type Machine, type World } from '../world.ts';

const repeatsOldWords: ReadonlySet<FaultKind> = new Set(['duplicate', 'broker_lies']);

/** Text of the breach, or null. */
export function isBestReplica(
  world: World,
  winner: Machine,
  lastServedAt: number,
  releaser: Machine | null,
): string | null {
  if (lastServedAt === 0 || world.disturbances > 0 || world.disturbedAt > lastServedAt) return null;
  // Words of an earlier life that come again can't be told from newer ones by hearsay
  // (positions.ts).
  if (world.plan.faults.some(({ kind }) => repeatsOldWords.has(kind))) return null;
  world.coverage.counts.best_replica_checks += 1;
  for (const other of world.machines) {
    if (other === winner || other === releaser) continue;
    if (!couldHaveWon(world, winner, other, lastServedAt)) continue;
    if (!isBetter(other, winner)) continue;
    if (!majorityKnows(world, winner, other)) continue;
    return (
      `${winner.name} (${epochOf(winner.store.chain)}/${headOf(winner.store.chain)}) is promoted ` +
      `although ${other.name} (${epochOf(other.store.chain)}/${headOf(other.store.chain)}) is ` +
      `there, and a majority knew`
    );
  }
  return null;
}

/** Messages of the attempt have passed by then. */
const QUIET_MS = 1500;

/**
 * After a power cut of all nobody remembers how far anybody goes; but the last owner, once heard,
 * says it. Text of the breach, or null.
 */
export function isOwnerPassedOver(
  world: World,
  winner: Machine,
  releaser: Machine | null,
): string | null {
  const { attempt, heard, run, leader } = winner.state as CoreState;
  // Whoever followed it has lost it, and nobody waits for a lost master.
  if (leader !== null) return null;
  const owner = world.machines.find(({ name }) => name === attempt?.highestOwner);
  if (owner === undefined || owner === winner || owner === releaser) return null;
  const restedAt = world.now - QUIET_MS;
  if (world.disturbances > 0 || world.disturbedAt > restedAt || owner.startedAt > restedAt) {
    return null;
  }
  if (world.plan.faults.some(({ kind }) => repeatsOldWords.has(kind))) return null;
  // Whom the last owner named holds everything.
  if (run.handed !== null && run.handed.epoch === attempt?.highest) return null;
  const heardAt = heard[owner.name];
  if (heardAt === undefined || bootClock(world, winner) - heardAt >= winner.config.fenceAfter) {
    return null;
  }
  if (!couldHaveWon(world, winner, owner, world.now)) return null;
  // What it knows of itself: the last rows of a server that was killed are read later.
  const { lineageEpoch, revision } = (owner.state as CoreState).datastore;
  // It has left it to such a replica once, and saw no master since.
  if (run.yield_until !== 0 && lineageEpoch <= run.yield_epoch) return null;
  const [epoch, head] = [epochOf(winner.store.chain), headOf(winner.store.chain)];
  if (lineageEpoch < epoch || (lineageEpoch === epoch && revision <= head)) return null;
  return (
    `${winner.name} (${epoch}/${head}) is promoted although ${owner.name}, the last owner, is ` +
    `there with more (${lineageEpoch}/${revision})`
  );
}

function couldHaveWon(world: World, winner: Machine, other: Machine, since: number): boolean {
  if (other.config.nodes[other.index]?.eligible !== true || other.disk === null) return false;
  // Only members of the list are asked, and so known to be there.
  if (winner.disk?.list.members.includes(other.name) !== true) return false;
  if (!isPrompt(other) || other.startedAt > since || other.leaving) return false;
  if (other.failedAt > 0 && world.now - other.failedAt < other.config.sitOut * 1.1) return false;
  const { phase } = viewOf(world, other);
  if (phase === 'sitting_out') return false;
  if (isTakenForDead(world, winner, other)) return false;
  if (!canTalk(world, winner.index, other.index)) return false;
  const peers = world.machines.filter(isPrompt);
  return peers.every((peer) => canTalk(world, other.index, peer.index));
}

/**
 * The lost master, just thawed or booted: the winner has not heard it for longer than a lease may
 * be silent. Nobody waits for its answer, for that wait would be part of every failover.
 */
function isTakenForDead(world: World, winner: Machine, other: Machine): boolean {
  const { attempt, heard: heardOf, leader } = winner.state as CoreState;
  // The one that it followed, whoever has won and served nobody since.
  if (attempt?.highestOwner !== other.name && leader?.master !== other.name) return false;
  const heard = heardOf[other.name];
  return heard === undefined || bootClock(world, winner) - heard >= winner.config.fenceAfter;
}

const isPrompt = (machine: Machine): boolean => isAwake(machine) && machine.slow === 0;

const viewOf = (world: World, machine: Machine) =>
  world.core.view(machine.state, bootClock(world, machine) as Instant, machine.config);

const isBetter = (a: Machine, b: Machine): boolean =>
  epochOf(a.store.chain) > epochOf(b.store.chain) ||
  (epochOf(a.store.chain) === epochOf(b.store.chain) &&
    headOf(a.store.chain) > headOf(b.store.chain));

/** Did more than half of the list hear that `other` is ahead of the winner? */
function majorityKnows(world: World, winner: Machine, other: Machine): boolean {
  const members = winner.disk?.list.members ?? [];
  const mine = { epoch: epochOf(winner.store.chain), head: headOf(winner.store.chain) };
  let knowing = 0;
  for (const machine of world.machines) {
    if (!members.includes(machine.name) || !isPrompt(machine)) continue;
    const known = viewOf(world, machine).positions.find((row) => row.node === other.name);
    if (known === undefined) continue;
    const ahead =
      known.lineage_epoch > mine.epoch ||
      (known.lineage_epoch === mine.epoch && known.revision > mine.head);
    if (ahead) knowing += 1;
  }
  return knowing * 2 > members.length;
}
