/** P1: at no moment two servers that could answer somebody outside their own machine. */

import type { Instant } from '../../../shared/time/duration.ts';
import { answers } from '../server.ts';
import { bootClock, type Machine, type World } from '../world.ts';

/** Text of the breach, or null. Called whenever a server may have begun to answer. */
export function whoElseAnswers(world: World, machine: Machine): string | null {
  if (!answers(world, machine)) return null;
  for (const other of world.machines) {
    if (other === machine || !answers(world, other)) continue;
    return (
      `${machine.name} (epoch ${machine.server.epoch}) and ` +
      `${other.name} (epoch ${other.server.epoch}) could both answer`
    );
  }
  return null;
}

/**
 * The leases behind it: whoever wins while another holder is still before its deadline has broken
 * the rules, whether or not a server has started in time to show it.
 */
export function whoElseHolds(world: World, winner: Machine): string | null {
  for (const other of world.machines) {
    if (other === winner || !other.up) continue;
    const now = bootClock(world, other) as Instant;
    const { deadline } = world.core.view(other.state, now, other.config);
    if (deadline === null || now >= deadline) continue;
    return `${winner.name} wins while ${other.name} holds the lease for ${deadline - now} ms more`;
  }
  return null;
}

/** The same for a renewal: looked at so often that only the lease files are compared. */
export function whoElseOpened(world: World, holder: Machine): string | null {
  for (const other of world.machines) {
    const file = other.leaseFile;
    if (other === holder || file === null || file.bootId !== other.bootId) continue;
    if (bootClock(world, other) >= file.deadline) continue;
    return `${holder.name} is granted the lease while that of ${other.name} is open`;
  }
  return null;
}

/** Dead man's period, kill time, and a late timer. */
const killedWithin = 1000 + 500 + 400;

/**
 * Each killer does its work, whether or not another would have saved the day: the self-fence ends
 * the server that it was ordered to end, the dead man's switch one whose lease has run out.
 */
export function outlivesItsLease(world: World, machine: Machine): string | null {
  const { fenced, leaseFile, server } = machine;
  if (world.now - machine.watchedSince < 2 * killedWithin) return null;
  if (fenced !== null && fenced.life === server.life && world.now - fenced.at > 700) {
    return `the server of ${machine.name} still runs after it was fenced`;
  }
  if (leaseFile === null) return null;
  const past = bootClock(world, machine) - leaseFile.deadline;
  if (past < killedWithin * machine.rate) return null;
  return `the server of ${machine.name} still runs ${past} ms after its lease ran out`;
}
