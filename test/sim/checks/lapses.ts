/**
 * Who keeps losing its lease leaves the role to others for a while: it does not win at once again
 * where somebody else who is there holds the rows; but nobody sits out alone.
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
  /** True time. */
  readonly at: number;
  readonly other: Other;
}

/**
 * Whether somebody else could have served then, as far as the machine knew and as it was. An agent
 * that has just started knows nobody.
 */
type Other = 'able' | 'nobody' | 'unknown';

export interface LapseRules {
  decided(world: World, machine: Machine, event: AgentEvent, effects: readonly Effect[]): void;
  /** Text of the breach, or null. */
  sitsOut(world: World, machine: Machine): string | null;
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
      const other = event.kind === 'started' ? 'unknown' : otherThan(world, machine);
      const { bootId: boot } = machine;
      known.set(machine, { boot, count, epoch: held.epoch, at: world.now, other });
      const { serverRestarts } = machine.config;
      if (other !== 'nobody' && count >= serverRestarts) machine.failedAt = world.now;
    },
    sitsOut(world, machine) {
      const lapses = known.get(machine);
      if (lapses?.boot !== machine.bootId || lapses.other !== 'nobody') return null;
      // What it waits for otherwise began before, or after it had won once more.
      const { held, sit_out_until: until } = (machine.state as CoreState).run;
      if (held !== null || until <= bootClock(world, machine) || machine.failedAt > 0) return null;
      return `${machine.name} sits out after ${lapses.count} lost leases, and nobody else is there`;
    },
    sent(world, message) {
      if (message.kind !== 'release' || message.last_revision === null) return;
      const chosen = world.machines.find(({ name }) => name === message.successor);
      if (chosen !== undefined) known.delete(chosen);
    },
    won(world, machine) {
      const lapses = known.get(machine);
      const { serverRestarts, driftBound } = machine.config;
      const sitOut = Math.min(machine.config.sitOut, 2 * machine.config.leaseDuration);
      if (lapses?.boot !== machine.bootId || lapses.count < serverRestarts) return null;
      const since = Math.round(world.now - lapses.at);
      if (lapses.other !== 'able' || since >= sitOut * (1 - 2 * driftBound)) return null;
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

function otherThan(world: World, machine: Machine): Other {
  const { leaseDuration } = machine.config;
  const others = world.machines.filter(
    ({ name }) => name !== machine.name && isEligible(machine, name),
  );
  if (others.every(({ up, downAt }) => !up && world.now - downAt > 2 * leaseDuration)) {
    return 'nobody';
  }
  return others.some((other) => knowsAble(world, machine, other)) ? 'able' : 'unknown';
}

const isEligible = ({ config }: Machine, name: string): boolean =>
  config.nodes.some((node) => node.name === name && node.eligible);

/** What the machine itself does not know it cannot heed. */
function knowsAble(world: World, machine: Machine, { name, config }: Machine): boolean {
  const { heard, positions, wonWith, earlierHead, disk } = machine.state as CoreState;
  const rows = earlierHead ?? wonWith;
  const at = heard[name];
  const position = positions[name];
  if (rows === null || at === undefined || position === undefined) return false;
  const isVoter = config.nodes.some((node) => node.name === name && node.voter);
  if (isVoter && disk?.list.members.includes(name) !== true) return false;
  const isThere = bootClock(world, machine) - at <= machine.config.fenceAfter;
  return isThere && comparePositions(position, rows) >= 0;
}
