/** A readable account of one schedule; made only when asked for, or for a seed that failed. */
import type { AgentEvent, Effect } from '../../agent/core/types.ts';
import type { LeaseMessage } from '../../shared/protocol/lease-messages.ts';
import type { Plan, PlannedFault } from './plan.ts';
import { bootClock, type Machine, type World } from './world.ts';

export interface Tracer {
  readonly lines: readonly string[];
  note(world: World, machine: Machine | null, text: string): void;
  decision(
    world: World,
    machine: Machine,
    event: AgentEvent,
    effects: readonly Effect[],
    reason: string,
  ): void;
}

/** `quiet` leaves out decisions without a reason that only armed timers or renewed the lease. */
export function tracer(quiet: boolean): Tracer {
  const lines: string[] = [];
  const stamp = (world: World, machine: Machine | null): string => {
    const time = (world.now / 1000).toFixed(3).padStart(8);
    if (machine === null) return `${time}  --                `;
    const clock = (bootClock(world, machine) / 1000).toFixed(2).padStart(9);
    return `${time}  ${machine.name} [${clock}]`;
  };
  return {
    lines,
    note(world, machine, text) {
      lines.push(`${stamp(world, machine)}  * ${text}`);
    },
    decision(world, machine, event, effects, reason) {
      const shown = effects.filter((effect) => !isTimer(effect));
      if (quiet && reason === '' && (shown.length === 0 || isRoutine(event, effects))) return;
      const did = shown.map(describeEffect).join('; ');
      const why = reason === '' ? '' : `  «${reason}»`;
      lines.push(`${stamp(world, machine)}  ${describeEvent(event)} → ${did || '-'}${why}`);
    },
  };
}

/** Renewals that go well: they are most of what happens, and tell nothing. */
function isRoutine(event: AgentEvent, effects: readonly Effect[]): boolean {
  const kind = event.kind === 'message' ? event.message.kind : event.kind;
  if (kind !== 'propose' && kind !== 'accept' && kind !== 'timer') return false;
  if (event.kind === 'timer' && event.timer !== 'renew') return false;
  return effects.every(
    (effect) =>
      isTimer(effect) ||
      effect.kind === 'persist_run' ||
      effect.kind === 'open_gate' ||
      (effect.kind === 'send' && effect.message.kind !== 'refuse'),
  );
}

const isTimer = (effect: Effect): boolean =>
  effect.kind === 'timer' || effect.kind === 'cancel_timer';

export function describeMessage(message: LeaseMessage): string {
  switch (message.kind) {
    case 'prepare':
    case 'promise':
    case 'release':
      return `${message.kind} ${message.ballot.counter}.${message.ballot.node}`;
    case 'propose':
      return (
        `propose ${message.ballot.counter}.${message.ballot.node} ` +
        `round ${message.round} epoch ${message.epoch}`
      );
    case 'accept':
      return `accept ${message.ballot.counter}.${message.ballot.node} round ${message.round}`;
    case 'refuse':
      return `refuse ${message.ballot.counter}.${message.ballot.node} (${message.reason})`;
    case 'announce':
      return `announce ${message.stage} ${message.master} epoch ${message.epoch}`;
    case 'learned':
      return `learned ${message.answer} epoch ${message.highest_epoch}`;
    case 'membership':
      return `membership ${message.wish}`;
    default:
      return message.kind;
  }
}

function describeEvent(event: AgentEvent): string {
  switch (event.kind) {
    case 'message':
      return `${event.from}: ${describeMessage(event.message)}`;
    case 'timer':
      return `timer ${event.timer}`;
    case 'step_done':
      return `step ${event.step} of epoch ${event.epoch} ${event.ok ? 'done' : 'failed'}`;
    case 'datastore':
      return `datastore ${event.facts.lineageEpoch}/${event.facts.revision}`;
    case 'acknowledged':
      return `acknowledged ${event.receiver} ${event.lineageEpoch}/${event.revision}`;
    case 'command':
      return `command ${JSON.stringify(event.command)}`;
    case 'stopping':
      return `stopping ${event.why}`;
    case 'started':
      return describeStart(event);
    default:
      return event.kind;
  }
}

function describeStart(event: Extract<AgentEvent, { kind: 'started' }>): string {
  const { facts } = event;
  const { disk, datastore } = facts;
  const record = disk === null ? 'no record' : `epoch ${disk.highest_epoch} of ${disk.epoch_owner}`;
  const rows = `${datastore.source} ${datastore.lineageEpoch}/${datastore.revision}`;
  const run = facts.run === null ? 'no /run' : '/run kept';
  return `started (${record}, ${run}, ${rows}${datastore.clean ? '' : ' unclean'})`;
}

function describeEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'send':
      return `${describeMessage(effect.message)} to ${effect.to}`;
    case 'step':
      return `order ${effect.step} of epoch ${effect.epoch}`;
    case 'open_gate':
      return `open gate of epoch ${effect.epoch} until ${(effect.deadline / 1000).toFixed(2)}`;
    case 'fence':
      return `FENCE epoch ${effect.epoch}: ${effect.reason}`;
    case 'follow':
      return `follow ${effect.master} epoch ${effect.epoch}`;
    case 'persist_disk':
      return `disk epoch ${effect.record.highest_epoch} of ${effect.record.epoch_owner}`;
    case 'persist_run':
      return 'run';
    case 'reply':
      return `reply ${effect.ok ? 'yes' : 'no'}: ${effect.text}`;
    default:
      return effect.kind;
  }
}

export function describeFault(fault: PlannedFault): string {
  const when =
    fault.trigger === null
      ? `at ${(fault.at / 1000).toFixed(3)} s`
      : `${fault.at.toFixed(0)} ms after the first ${fault.trigger} from ` +
        `${(fault.armedFrom / 1000).toFixed(1)} s on`;
  const who =
    fault.role === null ? `pi${fault.machine + 1}` : `${fault.role}, else pi${fault.machine + 1}`;
  return `#${fault.index} ${fault.kind} (${who}) ${when} for ${fault.duration.toFixed(0)} ms`;
}

/** The schedule's set-up, one line per thing. */
export function describePlan(plan: Plan): string {
  const config = plan.configs[0];
  const nodes = plan.nodes.map((node, i) => {
    const start = plan.starts[i];
    const kind = `${node.voter ? 'voter' : 'no vote'}${node.eligible ? '' : ', not eligible'}`;
    const power = `power at ${start?.powerAt.toFixed(0)} ms`;
    return `  ${node.name}: ${kind}, ${power}, clock × ${start?.rate.toFixed(5)}`;
  });
  const owner = plan.owner < 0 ? 'nobody' : `pi${plan.owner + 1}`;
  return [
    `seed ${plan.seed}, profile ${plan.profile}, faults ${plan.class} the model`,
    `lease ${config?.leaseDuration} renew ${config?.renewInterval} fence ${config?.fenceAfter} ` +
      `drift ${config?.driftBound}, data-path gate ${plan.dataPathGate ? 'yes' : 'no'}, ` +
      `coordinators [${plan.coordinators.map((i) => `pi${i + 1}`).join(' ')}]`,
    `epoch ${plan.epoch} of ${owner}, head ${plan.head}`,
    ...nodes,
    ...plan.faults.map((fault) => `  ${describeFault(fault)}`),
  ].join('\n');
}
