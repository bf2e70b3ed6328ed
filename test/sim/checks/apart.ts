/**
 * Two histories after a forced promotion (L12): each node's list is itself alone, and neither has
 * heard of the other's. Without contact nothing is promised, and no rule outlives the second
 * master; with contact they must become one before either wins.
 */
import type { DiskRecord } from '../../../agent/core/types.ts';
import { canTalk } from '../network.ts';
import type { Machine, World } from '../world.ts';
import { whoElseHolds } from './servers.ts';

/** Both agents were up for so long, and nothing was disturbed for so long, ms. */
const contact = 3000;

const isOfOne = (disk: DiskRecord | null, machine: Machine): boolean =>
  disk?.list.committed === true && disk.list.members.every((node) => node === machine.name);

/** Does this tenure begin beside, or below, another history that it could not hear of? */
export function isApart(world: World, machine: Machine, epoch: number): boolean {
  if (!isOfOne(machine.disk, machine)) return false;
  const other = world.machines.find((node) => node !== machine && isOfOne(node.disk, node));
  if (other === undefined || couldTalk(world, machine, other)) return false;
  return (other.disk?.highest_epoch ?? 0) >= epoch || whoElseHolds(world, machine) !== null;
}

function couldTalk(world: World, a: Machine, b: Machine): boolean {
  const calmSince = world.disturbances > 0 ? world.now : world.disturbedAt;
  const upSince = a.up && b.up ? Math.max(a.startedAt, b.startedAt) : world.now;
  const calm = Math.max(calmSince, upSince) + contact <= world.now;
  return calm && canTalk(world, a.index, b.index);
}
