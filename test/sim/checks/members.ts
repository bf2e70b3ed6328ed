/**
 * L10: a voter is taken out for its silence only once it has been silent for long, counted from the
 * moment in which it was taken in at the earliest.
 */
import type { CoreState } from '../../../agent/core/state.ts';
import type { DiskRecord } from '../../../agent/core/types.ts';
import type { Machine, World } from '../world.ts';

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
