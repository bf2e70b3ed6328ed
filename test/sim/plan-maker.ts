/**
 * Makes a schedule from a seed: which cluster, which start, which faults and when.
 *
 * Faults gather where the protocol is thin: half of them wait for a step of a promotion or for a
 * kind of message instead of a moment, and half aim at whoever is master then. Profiles weight the
 * kinds; several are about the places that the exhaustive check of LEASE.md did not reach (five
 * voters with crashes, list changes with four and more voters, wipes together with list changes,
 * late Promises, yielding and cold start).
 */

import { pickLetters, pickTiming, shapeOf } from './cluster-shapes.ts';
import { beyondKinds, type FaultKind, faultKinds, isBeyond } from './fault-kinds.ts';
import type { Plan, PlannedFault, ProfileName, StartOfMachine, Storm } from './plan.ts';
import { type PlotName, plotNames, plots } from './plots/table.ts';
import { everyday, messageKinds, profiles, triggers } from './profiles.ts';
import { type SeededRandom, seededRandom, weighted } from './random.ts';

export interface PlanWishes {
  /** Exactly so many nodes; null for the usual mix. */
  readonly nodes: number | null;
  /** Only this profile; null for the usual mix. */
  readonly profile: ProfileName | null;
  /** Of the aimed schedules only these. */
  readonly plot?: PlotName | undefined;
}

const minute = 60_000;
const planStream = 1;

export function makePlan(seed: number, wishes: PlanWishes = { nodes: null, profile: null }): Plan {
  const random = seededRandom(seed, planStream);
  const profile = wishes.profile ?? weighted(random, profileWeights);
  if (profile === 'aimed') return aimedPlan(random, seed, wishes.plot);
  const traits = profiles[profile];
  const few = wishes.nodes ?? traits.nodes[0];
  const many = wishes.nodes ?? traits.nodes[1];
  const isDuel = traits.duel === true;
  const drawn = traits.letters?.(random) ?? pickLetters(random, few, many);
  const letters = isDuel && wishes.nodes !== null ? 'v'.repeat(wishes.nodes) : drawn;
  const timing = pickTiming(random);
  const shape = shapeOf(letters, isDuel ? random.pick(['rapid', 'stubborn'] as const) : timing);
  const isBeyondModel = profile !== 'calm' && !isDuel && random.chance(0.12);
  const dataPathGate = isDuel || random.chance(profile === 'fencing' ? 0.9 : 0.75);
  const count = shape.nodes.length;
  const eligible = [...letters].flatMap((letter, i) =>
    letter === 'v' || letter === 'e' ? [i] : [],
  );
  const fresh = random.chance(traits.fresh);
  const owner = fresh ? -1 : random.pick(eligible);
  const starts = makeStarts(
    random,
    count,
    owner,
    fresh,
    profile,
    shape.configs[0]?.driftBound ?? 0,
  );
  const faults = makeFaults(random, profile, count, dataPathGate, isBeyondModel);
  const ungated = faults.some((fault) => fault.kind === 'frozen_without_gate');
  return {
    seed,
    profile,
    class: isBeyondModel ? 'beyond' : 'inside',
    length: minute,
    nodes: shape.nodes,
    configs: shape.configs,
    // Brokers would carry messages around a cut.
    coordinators: isDuel ? [] : eligible.slice(0, random.below(4)),
    dataPathGate: dataPathGate && !ungated,
    epoch: fresh ? 0 : 1 + random.below(5),
    owner,
    head: fresh ? 0 : 1000 + random.below(5000),
    starts,
    streamInterval: random.between(900, 2500) * (isDuel ? 8 : 1),
    copies: random.chance(0.15) ? 1 : 0.08,
    faults,
    storm: isDuel ? makeStorm(random, shape.configs[0]?.leaseDuration ?? 0) : null,
    pace: isDuel ? 0.1 : 1,
  };
}

/** A plot of plots.ts, in half of the schedules with something else going on as well. */
function aimedPlan(random: SeededRandom, seed: number, name?: PlotName): Plan {
  const plot = plots[name ?? random.pick(plotNames)](random);
  const count = plot.nodes.length;
  const drift = plot.configs[0]?.driftBound ?? 0;
  const starts = makeStarts(random, count, plot.owner, false, 'aimed', drift);
  const more = random.chance(0.5) ? makeFaults(random, 'aimed', count, true, false) : [];
  return {
    seed,
    profile: 'aimed',
    class: 'inside',
    length: plot.length,
    nodes: plot.nodes,
    configs: plot.configs,
    coordinators: plot.coordinators,
    dataPathGate: true,
    epoch: 1 + random.below(5),
    owner: plot.owner,
    head: 1000 + random.below(5000),
    starts: starts.map((start, i) => ({ ...start, powerAt: plot.powerAt[i] ?? 0, behind: 0 })),
    streamInterval: random.between(900, 2500),
    copies: 0,
    faults: [
      ...plot.faults,
      ...more.map((fault, i) => ({ ...fault, index: plot.faults.length + i })),
    ],
    storm: null,
    pace: plot.pace,
  };
}

const profileWeights = (Object.keys(profiles) as ProfileName[]).map(
  (name) => [profiles[name].weight, name] as const,
);

const makeStorm = (random: SeededRandom, lease: number): Storm => ({
  slow: random.pick([0, 0, 0.05, 0.2, 0.5]),
  slowest: random.pick([0.02, 0.2, 0.6, 1.2, 2]) * lease,
  loss: random.pick([0, 0, 0.05, 0.25]),
  repeated: random.pick([0, 0.05, 0.2]),
  cut: random.chance(0.6),
});

function makeStarts(
  random: SeededRandom,
  count: number,
  owner: number,
  fresh: boolean,
  profile: ProfileName,
  drift: number,
): StartOfMachine[] {
  const together = random.chance(0.7);
  const missing = profile === 'cold' ? 0.3 : 0.04;
  const starts: StartOfMachine[] = [];
  for (let i = 0; i < count; i += 1) {
    const late = random.chance(missing) && !fresh;
    const never = late && random.chance(0.3);
    const onTime = together ? random.between(0, 300) : random.between(0, 4000);
    // Half of the bound each way: the bound is on the drift between two clocks.
    const rate = 1 + random.pick([-0.5, 0.5, random.between(-0.5, 0.5)]) * drift;
    const lacks = random.chance(0.4) ? 0 : random.below(400);
    starts.push({
      powerAt: never ? Number.POSITIVE_INFINITY : late ? random.between(4000, 25_000) : onTime,
      rate,
      behind: fresh || random.chance(0.05) ? null : i === owner ? 0 : lacks,
      cleanStop: random.chance(0.6),
    });
  }
  return starts;
}

function makeFaults(
  random: SeededRandom,
  profile: ProfileName,
  count: number,
  dataPathGate: boolean,
  isBeyondModel: boolean,
): PlannedFault[] {
  const traits = profiles[profile];
  const wanted = traits.faults[0] + random.below(traits.faults[1] - traits.faults[0] + 1);
  // Half of the schedules end in peace, long enough for the liveness bound to be checked.
  const last = random.chance(0.5) ? 24_000 : minute - 3000;
  const faults: PlannedFault[] = [];
  for (let index = 0; index < wanted; index += 1) {
    const table = random.chance(0.8) ? traits.kinds : everyday;
    const kind = pickAllowed(random, table, dataPathGate, count);
    if (kind !== null) faults.push(makeFault(random, faults.length, kind, count, last));
  }
  if (traits.duel === true) return faults.map(shorter);
  if (isBeyondModel) {
    const kind = random.pick(beyondKinds);
    faults.push(makeFault(random, faults.length, kind, count, last));
  }
  return faults;
}

/** Leases are short in a duel, so what interrupts them is. */
const shorter = (fault: PlannedFault): PlannedFault =>
  fault.kind === 'cut_pair' ? fault : { ...fault, duration: fault.duration / 6 };

/**
 * Without the data-path gate DESIGN section 3 promises nothing for machines frozen as a whole, nor
 * with the dead man's switch gone: such faults are then outside the model.
 */
const needsGate: ReadonlySet<FaultKind> = new Set(['freeze_node', 'kill_deadman']);
const needsPair: ReadonlySet<FaultKind> = new Set(['promote']);

function pickAllowed(
  random: SeededRandom,
  table: readonly (readonly [number, FaultKind])[],
  dataPathGate: boolean,
  count: number,
): FaultKind | null {
  const kind = weighted(random, table);
  if (!dataPathGate && needsGate.has(kind)) return null;
  if (count !== 2 && needsPair.has(kind)) return null;
  return kind;
}

function makeFault(
  random: SeededRandom,
  index: number,
  kind: FaultKind,
  count: number,
  last: number,
): PlannedFault {
  const [low, high] = faultKinds[kind].duration;
  // Short ones are as likely as long ones: restarts of milliseconds find other holes than minutes.
  const duration = low + (high - low) * random.next() ** 2;
  const byTrigger = !isBeyond(kind) && random.chance(0.35);
  return {
    index,
    kind,
    at: byTrigger ? random.between(0, random.chance(0.5) ? 30 : 1500) : random.between(0, last),
    trigger: byTrigger ? random.pick(triggers) : null,
    armedFrom: byTrigger ? random.between(0, last) : 0,
    role: random.chance(0.45) ? (random.chance(0.8) ? 'master' : 'candidate') : null,
    machine: random.below(count),
    duration,
    strength: random.next(),
    sides: 1 + random.below(2 ** count - 1),
    by: null,
    after: null,
    message: random.pick(messageKinds),
  };
}
