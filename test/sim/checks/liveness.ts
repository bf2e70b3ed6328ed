/**
 * A master again within a stated bound, once a majority can talk, or one node has promised it.
 *
 * The bound, from the moment at which nothing changes any more, is computed from the settings: the
 * silence of those that have just booted, the wait for an absent last owner, the sitting out of
 * those that failed, then one lease (a voter may hold a lock), the yielding, two rounds of backoff,
 * four answers and one promotion. Judged only for machines that all reach each other and that
 * nobody else can disturb.
 */
import { compareLists } from '../../../agent/core/lease/member-list.ts';
import { hasServed } from '../../../agent/core/lease/rows.ts';
import type { CoreConfig, DiskRecord } from '../../../agent/core/types.ts';
import type { MemberList } from '../../../shared/protocol/lease-messages.ts';
import type { Instant } from '../../../shared/time/duration.ts';
import { canReach, canTalk, hasLink } from '../network.ts';
import { answers } from '../server.ts';
import { headOf } from '../store.ts';
import { bootClock, isAwake, type Machine, type World } from '../world.ts';
import { promisedSince } from './promises.ts';

/** `masterIsThere` is called once in this time, ms. */
const betweenLooks = 1000;
/** Longest promotion when nothing fails (steps.ts, server.ts) and room for late timers, ms. */
const promotion = 4200;

/**
 * What failures are excused for after the plan's last change: a step that it made slow, or a server
 * whose end it had begun (machine-faults.ts, steps.ts), ms. Later ones are the core's own doing.
 */
const aftermath = 7000;

/** Time from rest to a serving master, ms, without the waits that single machines bring along. */
export function electionBound(config: CoreConfig): number {
  const backoff = 2 * config.candidateStagger * (config.nodes.length + 15);
  const sum =
    config.leaseDuration + config.yieldWait + backoff + 4 * config.answerTimeout + promotion;
  return sum * (1 + config.driftBound);
}

/** Called once a second; text of the breach, or null. */
export function masterIsThere(world: World): string | null {
  for (const machine of world.machines) noteWait(world, machine);
  if (world.disturbances > 0) return null;
  const config = world.machines[0]?.config;
  if (config === undefined || world.now - restedAt(world) < electionBound(config)) return null;
  if (world.machines.some((machine) => machine.server.ready && answers(world, machine))) {
    world.coverage.counts.liveness_checks += 1;
    return null;
  }
  const promised = whoPromised(world);
  const group = promised === null ? electingGroup(world) : [promised];
  if (group === null) return null;
  const from = restFrom(world, group);
  world.coverage.counts.liveness_checks += 1;
  const bound = from + electionBound(config);
  if (world.now < bound) return null;
  const names = group.map((machine) => machine.name).join(' ');
  const duty = promised === null ? 'can talk and hold a majority' : 'said yes to `baton promote`';
  const since = (from / 1000).toFixed(1);
  return `${names} ${duty}, nothing has changed since ${since} s, and nobody serves`;
}

/** Bound by its word, whatever its record says. */
const whoPromised = (world: World): Machine | null =>
  world.machines.find(
    (machine) => isAwake(machine) && mayServe(machine) && promisedSince(world, machine) !== null,
  ) ?? null;

/** Machines that can elect a master among themselves. */
function electingGroup(world: World): readonly Machine[] | null {
  const group = talkingGroup(world);
  const newest = newestRecord(world);
  return group !== null && newest !== null && mayElect(group, newest.list) ? group : null;
}

const restedAt = ({ disturbedAt, changedAt }: World): number =>
  Math.min(disturbedAt, changedAt + aftermath);

/** When the last wait that a machine brought along is over. */
function restFrom(world: World, group: readonly Machine[]): number {
  let from = restedAt(world);
  const lastExcuse = world.changedAt + aftermath;
  for (const machine of group) {
    const { config } = machine;
    const slack = 1 + config.driftBound;
    from = Math.max(from, machine.startedAt + config.leaseDuration * slack);
    from = Math.max(from, machine.waitedUntil, promisedSince(world, machine) ?? 0);
    const failedAt = Math.min(machine.failedAt, lastExcuse);
    if (failedAt > 0) from = Math.max(from, failedAt + config.sitOut * slack);
  }
  return from;
}

/** The wait of a cold start is over as soon as a master was seen, or the last owner is there. */
function noteWait(world: World, machine: Machine): void {
  const { config } = machine;
  const longest = machine.startedAt + config.coldStartWait * (1 + config.driftBound);
  if (!isAwake(machine) || world.now >= longest) return;
  const owner = world.machines.find(({ name }) => name === machine.disk?.epoch_owner);
  if (owner !== undefined && isAwake(owner) && canTalk(world, machine.index, owner.index)) return;
  const now = bootClock(world, machine) as Instant;
  const { phase } = world.core.view(machine.state, now, config);
  if (phase === 'waiting') machine.waitedUntil = Math.min(longest, world.now + betweenLooks);
}

/** All awake machines, when each reaches whom it has a word for and nobody outside reaches any. */
function talkingGroup(world: World): readonly Machine[] | null {
  const awake = world.machines.filter(isAwake);
  for (const centre of awake) {
    const group = awake.filter((machine) => canTalk(world, centre.index, machine.index));
    const whole = group.every((a) =>
      group.every((b) => !hasLink(a, b) || canTalk(world, a.index, b.index)),
    );
    if (!whole) continue;
    const outside = awake.filter((machine) => !group.includes(machine));
    const disturbed = outside.some((other) =>
      group.some(
        (machine) =>
          canReach(world, other.index, machine.index) ||
          canReach(world, machine.index, other.index),
      ),
    );
    if (!disturbed && group.length * 2 > awake.length) return group;
  }
  return null;
}

/** What a turn wrote that failed afterwards counts for nobody until the next start reads it. */
const recordOf = ({ up, counted, disk }: Machine): DiskRecord | null => (up ? counted : disk);

function newestRecord(world: World): DiskRecord | null {
  let newest: DiskRecord | null = null;
  for (const machine of world.machines) {
    const disk = recordOf(machine);
    if (disk === null) continue;
    const isNewer =
      newest === null ||
      disk.list.epoch > newest.list.epoch ||
      (disk.list.epoch === newest.list.epoch && disk.list.number > newest.list.number) ||
      disk.highest_epoch > newest.highest_epoch;
    if (isNewer) newest = disk;
  }
  return newest;
}

/** A majority of every list in force knows its record, and somebody there may be master. */
function mayElect(group: readonly Machine[], list: MemberList): boolean {
  // A commit that only a machine outside knows does not count: L10 then needs both lists.
  const isCommitted =
    list.previous.length === 0 ||
    group.some((machine) => {
      const known = recordOf(machine)?.list;
      return known?.committed === true && compareLists(known, list) === 0;
    });
  const lists = isCommitted ? [list.members] : [list.members, list.previous];
  const voting = new Set(
    group
      .filter((machine) => recordOf(machine) !== null && !machine.leaving)
      .map(({ name }) => name),
  );
  const majority = lists.every(
    (members) => members.filter((name) => voting.has(name)).length * 2 > members.length,
  );
  return majority && group.some(mayServe);
}

function mayServe(machine: Machine): boolean {
  const record = recordOf(machine);
  return (
    machine.config.nodes[machine.index]?.eligible === true &&
    record !== null &&
    !machine.leaving &&
    // A node without rows leaves the role alone once the cluster has had some.
    (headOf(machine.store.chain) > 0 || !hasServed(record))
  );
}
