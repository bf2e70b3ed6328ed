/**
 * L14: leaving it to a better replica happens once per vacancy, never anew per attempt: kept in
 * /run, so a restart of the process does not begin it again; a reboot may. A tenure that the node
 * missed, and hears of, ended its vacancy.
 */
import type { CoreState, RunState } from '../../../agent/core/state.ts';
import type { AgentEvent, StartFacts } from '../../../agent/core/types.ts';
import type { LeaseMessage } from '../../../shared/protocol/lease-messages.ts';
import type { Machine } from '../world.ts';

type Release = Extract<LeaseMessage, { kind: 'release' }>;

interface Yielding {
  readonly boot: string;
  readonly counter: number;
  readonly lineage: number;
  /** The newest tenure that it said it knew of. */
  readonly known: number;
}

export interface WaitRules {
  /** A vacancy ends for whoever sees a master. */
  heard(machine: Machine, event: AgentEvent): void;
  won(machine: Machine, epoch: number): void;
  /** Text of the breach, or null. */
  released(machine: Machine, message: Release): string | null;
}

const epochHeld = ({ run, bootId }: StartFacts): number | null =>
  run !== null && run.boot_id === bootId
    ? ((run.state as unknown as RunState).held?.epoch ?? null)
    : null;

export function waitRules(): WaitRules {
  /** In which boot, by giving up which ballot, each candidate of this vacancy has yielded. */
  const yielded = new Map<Machine, Yielding>();
  const forced = new Set<Machine>();
  const tenures = new Set<number>();
  return {
    heard(machine, event) {
      // L12: a forced promotion begins anew.
      if (event.kind === 'command' && event.command.name === 'promote') forced.add(machine);
      // It had won, and its process ended before anybody heard of it.
      const won = event.kind === 'started' ? epochHeld(event.facts) : null;
      if (won !== null) {
        tenures.add(won);
        yielded.delete(machine);
      }
      if (event.kind !== 'message' || event.message.kind !== 'announce') return;
      if (event.message.stage !== 'stopped') yielded.delete(machine);
    },
    won: (machine, epoch) => {
      tenures.add(epoch);
      yielded.delete(machine);
    },
    released(machine, { ballot, epoch, successor }) {
      // Only a candidate that has not proposed yet names somebody under no epoch.
      if (epoch !== 0 || successor === null || forced.has(machine)) return null;
      const before = yielded.get(machine);
      // As far as it was told.
      const { yield_epoch: lineage, yield_known: known } = (machine.state as CoreState).run;
      yielded.set(machine, { boot: machine.bootId, counter: ballot.counter, lineage, known });
      // Everybody is told of the same one.
      if (before?.boot !== machine.bootId || before.counter === ballot.counter) return null;
      // A tenure that this node missed, by its rows or by a voter's word; there must have been one.
      if (lineage > before.lineage || (known > before.known && tenures.has(known))) return null;
      return `${machine.name} yields to ${successor}, and has yielded in this vacancy before`;
    },
  };
}
