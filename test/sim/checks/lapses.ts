/**
 * Who keeps losing its lease leaves the role to others for a while: it does not win at once again
 * where somebody else who is there holds as much as it had when it won.
 */
import { comparePositions } from '../../../agent/core/lease/positions.ts';
import type { CoreState, Held, RunState } from '../../../agent/core/state.ts';
import type { AgentEvent, Effect } from '../../../agent/core/types.ts';
import type { LeaseMessage } from '../../../shared/protocol/lease-messages.ts';
import { bootClock, type Machine, type World } from '../world.ts';

interface Lapses {
  readonly boot: string;
  readonly count: number;
  /** Of the last one: a fence that could not be written down is decided twice. */
  readonly epoch: number;
  /** True time, and whether somebody else could have served then. */
  readonly at: number;
  readonly replaceable: boolean;
}

export interface LapseRules {
  decided(world: World, machine: Machine, event: AgentEvent, effects: readonly Effect[]): void;
  sent(world: World, message: LeaseMessage): void;
  /** Text of the breach, or null. */
  won(world: World, machine: Machine): string | null;
}

export function lapseRules(): LapseRules {
  const known = new Map<Machine, Lapses>();
  return {
    decided(world, machine, event, effects) {
      // A person's word ends every wait.
      if (event.kind === 'command' && event.command.name === 'promote') known.delete(machine);
      if (!effects.some(({ kind }) => kind === 'fence')) return;
      const held = heldBefore(machine, event);
      if (held === null || bootClock(world, machine) < held.deadline) return;
      const before = known.get(machine);
      const sameBoot = before?.boot === machine.bootId;
      if (sameBoot && before.epoch === held.epoch) return;
      const count = (sameBoot ? before.count : 0) + 1;
      const replaceable = isReplaceable(world, machine);
      const { bootId: boot } = machine;
      known.set(machine, { boot, count, epoch: held.epoch, at: world.now, replaceable });
      if (count >= machine.config.serverRestarts) machine.failedAt = world.now;
    },
    sent(world, message) {
      if (message.kind !== 'release' || message.last_revision === null) return;
      const chosen = world.machines.find(({ name }) => name === message.successor);
      if (chosen !== undefined) known.delete(chosen);
    },
    won(world, machine) {
      const lapses = known.get(machine);
      const { serverRestarts, sitOut, driftBound } = machine.config;
      if (lapses?.boot !== machine.bootId || lapses.count < serverRestarts) return null;
      const since = Math.round(world.now - lapses.at);
      if (!lapses.replaceable || since >= sitOut * (1 - 2 * driftBound)) return null;
      return `${machine.name} wins ${since} ms after it lost its lease ${lapses.count} times`;
    },
  };
}

/** What the core held as it decided; a process that starts finds it in /run. */
function heldBefore(machine: Machine, event: AgentEvent): Held | null {
  if (event.kind !== 'started') return (machine.state as CoreState).run.held;
  const { run, bootId } = event.facts;
  if (run === null || run.boot_id !== bootId) return null;
  return (run.state as unknown as RunState).held;
}

/** As far as the machine itself knows, for what it does not know it cannot heed. */
function isReplaceable(world: World, machine: Machine): boolean {
  const { heard, positions, wonWith } = machine.state as CoreState;
  if (wonWith === null) return false;
  const now = bootClock(world, machine);
  const { fenceAfter, node } = machine.config;
  return machine.config.nodes.some(({ name, eligible }) => {
    const at = heard[name];
    const position = positions[name];
    if (!eligible || name === node || at === undefined || position === undefined) return false;
    return now - at <= fenceAfter && comparePositions(position, wonWith) >= 0;
  });
}
