/**
 * Every vote counts: once a master serves and nothing changes any more, each voter on its list that
 * it can talk to stands in its rounds. One that does not is a death away from an outage that nobody
 * expects.
 */
import type { CoreState } from '../../../agent/core/state.ts';
import { canTalk } from '../network.ts';
import { answers } from '../server.ts';
import { isAwake, isVoter, type Machine, type World } from '../world.ts';

/** Called once a second; text of the breach, or null. */
export function everyVoteCounts(world: World): string | null {
  if (world.disturbances > 0) return null;
  for (const master of world.machines) {
    if (!master.server.ready || !answers(world, master)) continue;
    const missing = world.machines.find((voter) => isMissing(world, master, voter));
    if (missing !== undefined) return `${missing.name} has no vote under ${master.name}`;
  }
  return null;
}

/** From its silence's end, or its place on the list, to the first round that counts it, ms. */
const roundTrips = 3000;

/**
 * A voter waits for two leases before it starts anew, and is silent for another one (L2). Taken out
 * in the middle of that it hears of it two rounds later, and is asked again by the one after.
 */
function isMissing(world: World, master: Machine, voter: Machine): boolean {
  const { held } = (master.state as CoreState).run;
  const { config, disk } = master;
  if (held === null || disk === null) return false;
  // The master's own vote is its place on the list, which it gives itself.
  const counts = voter === master ? !isVoter(voter) : held.nonces[voter.name] !== undefined;
  if (counts || disk.list.members.includes(voter.name) === (voter === master)) return false;
  if (!isAwake(voter) || voter.leaving || voter.disk === null) return false;
  if (!canTalk(world, master.index, voter.index)) return false;
  const { leaseDuration, renewInterval, driftBound } = config;
  const patience = (3 * leaseDuration + 3 * renewInterval + roundTrips) * (1 + driftBound);
  const rest = Math.max(world.disturbedAt, voter.startedAt, master.startedAt);
  // One that was away for long is taken out meanwhile, and back in.
  if (world.now - world.listChangedAt <= roundTrips) return false;
  return world.now - Math.max(rest, master.server.readyAt) > patience;
}
