/**
 * L10: a voter is taken out for its silence only once it has been silent for long, counted from the
 * moment in which it was taken in at the earliest; and no change is begun that waits for the dead.
 */
import { hasMajority } from '../../../agent/core/lease/member-list.ts';
import type { CoreState } from '../../../agent/core/state.ts';
import type { DiskRecord } from '../../../agent/core/types.ts';
import type { MemberList } from '../../../shared/protocol/lease-messages.ts';
import type { Machine, World } from '../world.ts';

/** A holder has missed the answer to several rounds by then, ms. */
const missedByThen = 6000;

/** Text of the breach: nobody can commit `list` before somebody returns who is down. */
export function waitsForTheDead(world: World, holder: Machine, list: MemberList): string | null {
  const there = new Set(
    world.machines.filter((one) => !isDown(world, one)).map((machine) => machine.name),
  );
  if (hasMajority({ ...list, committed: false }, there)) return null;
  const lists = `[${list.members.join(' ')}] over [${list.previous.join(' ')}]`;
  return `${holder.name} began ${lists}, and only ${[...there].join(' ')} are there`;
}

const isDown = (world: World, { up, downAt }: Machine): boolean =>
  !up && world.now - downAt > missedByThen;

export interface MemberRules {
  /** A holder writes a list with another number. Text of the breach, or null. */
  changed(world: World, holder: Machine, record: DiskRecord): string | null;
}

export function memberRules(): MemberRules {
  /** By holder: when it took each voter in, true time. */
  const taken = new Map<Machine, Map<string, number>>();
  return {
    changed(world, holder, { list }) {
      const before = holder.disk?.list.members ?? [];
      const since = taken.get(holder) ?? new Map<string, number>();
      taken.set(holder, since);
      for (const name of list.members) if (!before.includes(name)) since.set(name, world.now);
      const gone = before.find((name) => !list.members.includes(name));
      const at = gone === undefined ? undefined : since.get(gone);
      if (gone === undefined || at === undefined) return null;
      since.delete(gone);
      if ((holder.state as CoreState).leaving.includes(gone)) return null;
      const { retireAfter, driftBound } = holder.config;
      const lasted = Math.round(world.now - at);
      if (lasted >= retireAfter * (1 - 2 * driftBound)) return null;
      return `${holder.name} took ${gone} out, ${lasted} ms after it took it in`;
    },
  };
}
