/**
 * P2: a new tenure's epoch is higher than all earlier ones; what is on a disk only rises; nobody
 * serves under a ballot that was released; no server is started after its deadline.
 */
import type { DiskRecord, Step } from '../../../agent/core/types.ts';
import { bootClock, type Machine, type World } from '../world.ts';
import type { RuleName } from './judge.ts';

export interface Broken {
  readonly rule: RuleName;
  readonly text: string;
}

export interface EpochRules {
  /** Highest epoch under which a gate was ever opened. */
  readonly highest: number;
  gateOpened(machine: Machine, epoch: number): Broken | null;
  released(machine: Machine, epoch: number): void;
  startOrdered(world: World, machine: Machine, epoch: number): string | null;
  /** True for the first step of a promotion under this epoch. */
  isNewTenure(step: Step, epoch: number): boolean;
}

interface Tenure {
  readonly machine: Machine;
  readonly boot: string;
  released: boolean;
}

const ofPromotion: ReadonlySet<Step> = new Set([
  'stop_agent_unit',
  'install_datastore',
  'install_archive',
  'start_server',
]);

export function epochRules(): EpochRules {
  const tenures = new Map<number, Tenure>();
  const promoted = new Set<number>();
  let highest = 0;
  return {
    get highest() {
      return highest;
    },
    gateOpened(machine, epoch) {
      const known = tenures.get(epoch);
      if (known === undefined) {
        tenures.set(epoch, { machine, boot: machine.bootId, released: false });
        if (epoch <= highest) {
          const text = `${machine.name} serves under epoch ${epoch} after epoch ${highest}`;
          return { rule: 'epoch-fell', text };
        }
        highest = epoch;
        return null;
      }
      if (known.machine !== machine || known.boot !== machine.bootId) {
        const text = `epoch ${epoch} of ${known.machine.name} is used again by ${machine.name}`;
        return { rule: 'epoch-repeated', text };
      }
      if (!known.released) return null;
      const text = `${machine.name} serves under epoch ${epoch}, which it has released`;
      return { rule: 'served-after-release', text };
    },
    released(machine, epoch) {
      const known = tenures.get(epoch);
      if (known !== undefined && known.machine === machine) known.released = true;
    },
    startOrdered(world, machine, epoch) {
      const file = machine.leaseFile;
      const now = bootClock(world, machine);
      if (file !== null && file.epoch === epoch && now < file.deadline) return null;
      return `${machine.name} orders its server to start under epoch ${epoch} without a lease`;
    },
    isNewTenure(step, epoch) {
      if (!ofPromotion.has(step) || promoted.has(epoch)) return false;
      promoted.add(epoch);
      return true;
    },
  };
}

/** Epoch and member list on one card only rise. */
export function diskOnlyRises(machine: Machine, record: DiskRecord): Broken | null {
  const known = machine.counted;
  if (known === null) return null;
  if (record.highest_epoch < known.highest_epoch) {
    const text = `${machine.name} writes epoch ${record.highest_epoch} over ${known.highest_epoch}`;
    return { rule: 'disk-epoch-fell', text };
  }
  const older =
    record.list.epoch < known.list.epoch ||
    (record.list.epoch === known.list.epoch && record.list.number < known.list.number);
  if (!older) return null;
  const text =
    `${machine.name} writes list ${record.list.epoch}.${record.list.number} over ` +
    `${known.list.epoch}.${known.list.number}`;
  return { rule: 'disk-list-fell', text };
}

/** L6: a higher epoch is on disk before the Accept that depends on it. */
export function answersUnwritten(machine: Machine): string | null {
  const state = machine.run?.state as { readonly accepted?: { readonly epoch: number } | null };
  const accepted = state?.accepted?.epoch ?? 0;
  const written = machine.disk?.highest_epoch ?? 0;
  if (accepted <= written) return null;
  return `${machine.name} accepts epoch ${accepted} while its disk knows ${written}`;
}
