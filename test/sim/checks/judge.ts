/**
 * The judge of one schedule: the rules, and the first breach of one.
 *
 * The simulated world calls it at every moment that matters; it only looks, and never changes
 * anything. A schedule ends with its first violation, for what follows one proves nothing.
 */
import type { AgentEvent, DiskRecord, Effect, Step } from '../../../agent/core/types.ts';
import type { LeaseMessage } from '../../../shared/protocol/lease-messages.ts';
import type { Chain } from '../store.ts';
import { bootClock, type Machine, type World } from '../world.ts';
import { isBestReplica } from './best-replica.ts';
import { diskOnlyRises, epochRules } from './epochs.ts';
import { releaseKeepsPromise, revisionRules } from './revisions.ts';
import { whoElseAnswers, whoElseHolds, whoElseOpened } from './servers.ts';

export const ruleNames = [
  /** P1 */
  'two-servers',
  /** P1, of the leases themselves: before anybody's server has started. */
  'two-leases',
  /** P2 */
  'epoch-repeated',
  'epoch-fell',
  'served-after-release',
  'disk-epoch-fell',
  'disk-list-fell',
  'old-epoch-followed',
  'start-after-deadline',
  'revision-reused',
  'rows-mixed',
  'clean-release-untrue',
  'worse-replica',
  'no-master',
  'too-many-effects',
  'too-many-messages',
  'state-too-big',
  'persist-loop',
  'core-threw',
] as const;
export type RuleName = (typeof ruleNames)[number];

export interface Violation {
  readonly rule: RuleName;
  /** True time, ms. */
  readonly at: number;
  readonly text: string;
}

export interface Judge {
  readonly violation: Violation | null;
  violate(world: World, rule: RuleName, text: string): void;
  /** True time at which a server last stopped; 0 when none has run yet. */
  readonly lastServedAt: number;
  /**
   * A card was lost. Where no voter has a record any more a new cluster will be founded, and where
   * the list was this node alone, nobody else can know its epochs: no rule outlives that, and the
   * schedule ends.
   */
  recordLost(world: World, lost: DiskRecord | null): void;
  gateOpened(world: World, machine: Machine, epoch: number, deadline: number): void;
  /** This machine's server may have begun to answer. */
  mayAnswer(world: World, machine: Machine): void;
  serverStarted(world: World, machine: Machine): void;
  serverEnds(world: World, machine: Machine): void;
  wrote(head: number): void;
  /** A tenure begins on these rows. */
  began(chain: Chain): void;
  diskWritten(world: World, machine: Machine, record: DiskRecord): void;
  sent(world: World, machine: Machine, message: LeaseMessage): void;
  follows(world: World, machine: Machine, epoch: number): void;
  stepOrdered(world: World, machine: Machine, step: Step, epoch: number): void;
  decided(world: World, machine: Machine, event: AgentEvent, effects: readonly Effect[]): void;
}

/** Most effects of one decision: everybody is told some things, and some timers are armed. */
const effectBound = (machine: Machine): number => 30 + 12 * machine.config.nodes.length;

/** `head`: highest revision given out before the schedule begins. */
const isVoter = (machine: Machine): boolean => machine.config.nodes[machine.index]?.voter === true;

const epochOnDisk = (machine: Machine): number =>
  machine.disk === null ? 0 : Math.max(1, machine.disk.highest_epoch);

export function judge(head: number): Judge {
  let violation: Violation | null = null;
  let lastServedAt = 0;
  /**
   * When each candidate of this vacancy left it to a better one (L14: once, for a bounded time).
   */
  const yielded = new Map<Machine, number>();
  const proposals = new Map<number, { readonly machine: Machine; readonly text: string | null }>();
  /** Whoever gave the role back last: it is not waited for. */
  let releaser: Machine | null = null;
  const followed = new Map<Machine, { readonly life: number; readonly epoch: number }>();
  const epochs = epochRules();
  const revisions = revisionRules(head);
  const violate = (world: World, rule: RuleName, text: string): void => {
    if (violation !== null) return;
    violation = { rule, at: world.now, text };
    world.trace?.note(world, null, `VIOLATION ${rule}: ${text}`);
    world.ended = true;
  };
  /** What a majority knows is asked when the candidate proposes: later knowledge comes too late. */
  const noteProposal = (world: World, machine: Machine, epoch: number): void => {
    if (proposals.get(epoch)?.machine === machine || machine.leaseFile !== null) return;
    const text = isBestReplica(world, machine, lastServedAt, releaser);
    proposals.set(epoch, { machine, text });
  };
  const report = (world: World, rule: RuleName, text: string | null): void => {
    if (text !== null) violate(world, rule, text);
  };
  return {
    get violation() {
      return violation;
    },
    get lastServedAt() {
      return lastServedAt;
    },
    violate,
    recordLost(world, lost) {
      const known = Math.max(0, ...world.machines.filter(isVoter).map(epochOnDisk));
      const alone = lost?.list.committed && lost.list.members.length === 1;
      if (known > 0 && !(alone && known < lost.highest_epoch)) return;
      world.trace?.note(world, null, 'every record of this cluster is lost: the schedule ends');
      world.ended = true;
    },
    gateOpened(world, machine, epoch, deadline) {
      if (bootClock(world, machine) >= deadline) return;
      report(world, 'two-leases', whoElseOpened(world, machine));
      const broken = epochs.gateOpened(machine, epoch);
      if (broken !== null) violate(world, broken.rule, broken.text);
    },
    mayAnswer: (world, machine) => report(world, 'two-servers', whoElseAnswers(world, machine)),
    began: revisions.began,
    serverStarted(world, machine) {
      report(world, 'revision-reused', revisions.serverStarted(machine));
      report(world, 'rows-mixed', revisions.mixed(machine));
    },
    serverEnds(world) {
      lastServedAt = world.now;
    },
    wrote: revisions.wrote,
    diskWritten(world, machine, record) {
      const broken = diskOnlyRises(machine, record);
      if (broken !== null) violate(world, broken.rule, broken.text);
    },
    sent(world, machine, message) {
      if (message.kind === 'propose') noteProposal(world, machine, message.epoch);
      if (message.kind !== 'release') return;
      releaser = machine;
      if (message.successor !== null && !message.clean) yielded.set(machine, world.now);
      epochs.released(machine, message.epoch);
      report(world, 'clean-release-untrue', releaseKeepsPromise(world, machine, message));
    },
    follows(world, machine, epoch) {
      const before = followed.get(machine);
      const known = before !== undefined && before.life === machine.life ? before.epoch : 0;
      followed.set(machine, { life: machine.life, epoch });
      if (epoch >= known) return;
      const text = `${machine.name} follows epoch ${epoch} after epoch ${known}`;
      violate(world, 'old-epoch-followed', text);
    },
    stepOrdered(world, machine, step, epoch) {
      if (step === 'start_server' && !machine.resumes) {
        report(world, 'start-after-deadline', epochs.startOrdered(world, machine, epoch));
      }
      if (epochs.isNewTenure(step, epoch)) {
        report(world, 'two-leases', whoElseHolds(world, machine));
        world.coverage.counts.tenures += 1;
        const yieldedAt = yielded.get(machine) ?? Number.POSITIVE_INFINITY;
        const hasYielded = world.now - yieldedAt >= machine.config.yieldWait * 0.9;
        const worse = proposals.get(epoch);
        if (!hasYielded && worse?.machine === machine) report(world, 'worse-replica', worse.text);
        yielded.clear();
        proposals.clear();
        releaser = null;
      }
    },
    decided(world, machine, event, effects) {
      if (effects.length <= effectBound(machine)) return;
      const text = `${machine.name} made ${effects.length} effects of one ${event.kind}`;
      violate(world, 'too-many-effects', text);
    },
  };
}
