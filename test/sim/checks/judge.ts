/**
 * The judge of one schedule: the rules, and the first breach of one.
 *
 * The simulated world calls it at every moment that matters; it only looks, and never changes
 * anything. A schedule ends with its first violation, for what follows one proves nothing.
 */
import type { AgentEvent, DiskRecord, Effect, Step } from '../../../agent/core/types.ts';
import type { LeaseMessage } from '../../../shared/protocol/lease-messages.ts';
import type { Chain } from '../store.ts';
import { bootClock, isVoter, type Machine, type World } from '../world.ts';
import { isApart } from './apart.ts';
import { isBestReplica, isOwnerPassedOver } from './best-replica.ts';
import { answersUnwritten, diskOnlyRises, epochRules } from './epochs.ts';
import { lapseRules } from './lapses.ts';
import { memberRules, waitsForTheDead } from './members.ts';
import { noteHeard } from './promises.ts';
import { type RevisionRules, releaseKeepsPromise, revisionRules } from './revisions.ts';
import { outlivesItsLease, whoElseAnswers, whoElseHolds, whoElseOpened } from './servers.ts';
import { waitRules } from './waits.ts';

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
  'server-outlives-lease',
  'answered-before-written',
  'revision-reused',
  'rows-mixed',
  'clean-release-untrue',
  'worse-replica',
  'yields-twice',
  'no-master',
  'vote-not-counted',
  'retired-too-early',
  'change-waits-for-the-dead',
  'wins-again-at-once',
  'sits-out-alone',
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
  /** Highest epoch under which a gate was ever opened. */
  readonly highestEpoch: number;
  /** True time at which a server last stopped; 0 when none has run yet. */
  readonly lastServedAt: number;
  /**
   * A card was lost. Where no voter has a record any more a new cluster will be founded, and where
   * the list was this node alone, nobody else can know its epochs: no rule outlives that, and the
   * schedule ends.
   */
  recordLost(world: World, machine: Machine, lost: DiskRecord | null): void;
  gateOpened(world: World, machine: Machine, epoch: number, deadline: number): void;
  /** This machine's server may have begun to answer. */
  mayAnswer(world: World, machine: Machine): void;
  serverStarted(world: World, machine: Machine): void;
  serverEnds(world: World, machine: Machine): void;
  /** Once a second while a server runs. */
  stillRuns(world: World, machine: Machine): void;
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

const epochOnDisk = (machine: Machine): number =>
  machine.disk === null ? 0 : Math.max(1, machine.disk.highest_epoch);

/** `head`: highest revision given out before the schedule begins. */
export function judge(head: number): Judge {
  return new RuleJudge(head);
}

/** A candidate's proposal, and which better one it passes over, in words; null when none. */
interface Proposal {
  readonly machine: Machine;
  readonly text: string | null;
}

/** Whom a machine follows: remembered as long as its record, or its process where it has none. */
interface Followed {
  readonly epoch: number;
  readonly life: number;
  readonly isRecorded: boolean;
}

class RuleJudge implements Judge {
  violation: Violation | null = null;
  lastServedAt = 0;
  /**
   * When each candidate of this vacancy left it to a better one (L14: once, for a bounded time).
   */
  readonly #yielded = new Map<Machine, number>();
  readonly #proposals = new Map<number, Proposal>();
  #tenure: { readonly machine: Machine; readonly epoch: number } | null = null;
  /** Whoever gave the role back last: it is not waited for. */
  #releaser: Machine | null = null;
  readonly #followed = new Map<Machine, Followed>();
  readonly #epochs = epochRules();
  readonly #lapses = lapseRules();
  readonly #members = memberRules();
  readonly #waits = waitRules();
  readonly #revisions: RevisionRules;

  get highestEpoch(): number {
    return this.#epochs.highest;
  }

  constructor(head: number) {
    this.#revisions = revisionRules(head);
  }

  violate(world: World, rule: RuleName, text: string): void {
    if (this.violation !== null) return;
    this.violation = { rule, at: world.now, text };
    world.trace?.note(world, null, `VIOLATION ${rule}: ${text}`);
    world.ended = true;
  }

  recordLost(world: World, machine: Machine, lost: DiskRecord | null): void {
    this.#followed.delete(machine);
    const known = Math.max(0, ...world.machines.filter(isVoter).map(epochOnDisk));
    const alone = lost?.list.committed && lost.list.members.length === 1;
    if (known > 0 && !(alone && known < lost.highest_epoch)) return;
    world.trace?.note(world, null, 'every record of this cluster is lost: the schedule ends');
    world.ended = true;
  }

  gateOpened(world: World, machine: Machine, epoch: number, deadline: number): void {
    if (bootClock(world, machine) >= deadline) return;
    this.#report(world, 'two-leases', whoElseOpened(world, machine));
    const broken = this.#epochs.gateOpened(machine, epoch);
    if (broken !== null) this.violate(world, broken.rule, broken.text);
  }

  mayAnswer(world: World, machine: Machine): void {
    this.#report(world, 'two-servers', whoElseAnswers(world, machine));
  }

  began(chain: Chain): void {
    this.#revisions.began(chain);
  }

  serverStarted(world: World, machine: Machine): void {
    this.#report(world, 'revision-reused', this.#revisions.serverStarted(machine));
    this.#report(world, 'rows-mixed', this.#revisions.mixed(machine));
  }

  serverEnds(world: World): void {
    this.lastServedAt = world.now;
  }

  stillRuns(world: World, machine: Machine): void {
    this.#report(world, 'server-outlives-lease', outlivesItsLease(world, machine));
  }

  wrote(head: number): void {
    this.#revisions.wrote(head);
  }

  diskWritten(world: World, machine: Machine, record: DiskRecord): void {
    const broken = diskOnlyRises(machine, record);
    if (broken !== null) this.violate(world, broken.rule, broken.text);
    const isChange = record.list.number > (machine.disk?.list.number ?? 0);
    if (!isChange || machine.leaseFile === null) return;
    world.coverage.counts.list_changes += 1;
    world.listChangedAt = world.now;
    this.#report(world, 'retired-too-early', this.#members.changed(world, machine, record));
    const waits = waitsForTheDead(world, machine, record.list);
    this.#report(world, 'change-waits-for-the-dead', waits);
  }

  sent(world: World, machine: Machine, message: LeaseMessage): void {
    this.#lapses.sent(world, message);
    if (message.kind === 'propose') this.#noteProposal(world, machine, message.epoch);
    if (message.kind === 'accept') {
      this.#report(world, 'answered-before-written', answersUnwritten(machine));
    }
    if (message.kind !== 'release') return;
    // A candidate that gives its ballot up has no role to give back.
    if (message.epoch === this.#tenure?.epoch && machine === this.#tenure.machine) {
      this.#releaser = machine;
    }
    if (message.successor !== null && message.last_revision === null)
      this.#yielded.set(machine, world.now);
    this.#report(world, 'yields-twice', this.#waits.released(machine, message));
    this.#epochs.released(machine, message.epoch);
    if (message.last_revision !== null) world.coverage.counts.handovers_completed += 1;
    // A Release that a freeze held up was true when it was decided; nobody heeds it any more.
    if (machine.resumes) return;
    this.#report(world, 'clean-release-untrue', releaseKeepsPromise(world, machine, message));
  }

  follows(world: World, machine: Machine, epoch: number): void {
    const before = this.#followed.get(machine);
    const isKept = before?.isRecorded === true || before?.life === machine.life;
    const known = isKept ? before.epoch : 0;
    this.#followed.set(machine, { epoch, life: machine.life, isRecorded: machine.disk !== null });
    if (epoch >= known) return;
    const text = `${machine.name} follows epoch ${epoch} after epoch ${known}`;
    this.violate(world, 'old-epoch-followed', text);
  }

  stepOrdered(world: World, machine: Machine, step: Step, epoch: number): void {
    if (step === 'start_server' && !machine.resumes) {
      const broken = this.#epochs.startOrdered(world, machine, epoch);
      this.#report(world, 'start-after-deadline', broken);
    }
    if (this.#epochs.isNewTenure(step, epoch)) this.#tenureBegins(world, machine, epoch);
  }

  decided(world: World, machine: Machine, event: AgentEvent, effects: readonly Effect[]): void {
    this.#waits.heard(machine, event);
    this.#report(world, 'sits-out-alone', this.#lapses.sitsOut(world, machine));
    this.#lapses.decided(world, machine, event, effects);
    noteHeard(machine, event);
    if (effects.length <= effectBound(machine)) return;
    const text = `${machine.name} made ${effects.length} effects of one ${event.kind}`;
    this.violate(world, 'too-many-effects', text);
  }

  #tenureBegins(world: World, machine: Machine, epoch: number): void {
    if (isApart(world, machine, epoch)) {
      world.trace?.note(world, null, 'two histories by force, without contact: the schedule ends');
      world.ended = true;
      return;
    }
    // A decision that a freeze interrupted was made earlier; its deadline has passed by now.
    if (!machine.resumes) this.#report(world, 'two-leases', whoElseHolds(world, machine));
    world.coverage.counts.tenures += 1;
    this.#report(world, 'wins-again-at-once', this.#lapses.won(world, machine));
    this.#waits.won(machine, epoch);
    const yieldedAt = this.#yielded.get(machine) ?? Number.POSITIVE_INFINITY;
    const hasYielded = world.now - yieldedAt >= machine.config.yieldWait * 0.9;
    const worse = this.#proposals.get(epoch);
    if (!hasYielded && worse?.machine === machine) {
      this.#report(world, 'worse-replica', worse.text);
    }
    this.#yielded.clear();
    this.#proposals.clear();
    this.#releaser = null;
    this.#tenure = { machine, epoch };
  }

  /** What a majority knows is asked when the candidate proposes: later knowledge comes too late. */
  #noteProposal(world: World, machine: Machine, epoch: number): void {
    if (this.#proposals.get(epoch)?.machine === machine || machine.leaseFile !== null) return;
    const text =
      isBestReplica(world, machine, this.lastServedAt, this.#releaser) ??
      isOwnerPassedOver(world, machine, this.#releaser);
    this.#proposals.set(epoch, { machine, text });
  }

  #report(world: World, rule: RuleName, text: string | null): void {
    if (text !== null) this.violate(world, rule, text);
  }
}
