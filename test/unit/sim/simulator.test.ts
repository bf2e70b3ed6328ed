/**
 * The simulator itself: one seed gives one run, a failing schedule shrinks, faults are all defined.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VOTER_LEAVES } from '../../../agent/wiring/ending.ts';
import { milliseconds } from '../../../shared/time/duration.ts';
import { readArguments, replayWords } from '../../sim/arguments.ts';
import { runBatch } from '../../sim/batch.ts';
import { addContainment, containmentTable, emptyContainment } from '../../sim/containment.ts';
import { shippedCore } from '../../sim/core-under-test.ts';
import { coverageTable, covered, emptyCoverage } from '../../sim/coverage.ts';
import { eventQueue } from '../../sim/event-queue.ts';
import { beyondKinds, faultKinds, faultNames } from '../../sim/fault-kinds.ts';
import type { PlannedFault } from '../../sim/plan.ts';
import { makePlan } from '../../sim/plan-maker.ts';
import { plotNames } from '../../sim/plots/table.ts';
import { profiles } from '../../sim/profiles.ts';
import { seededRandom } from '../../sim/random.ts';
import { runSchedule } from '../../sim/schedule.ts';
import { shrink } from '../../sim/shrink.ts';
import { asSimCore, type SimCore } from '../../sim/sim-core.ts';
import { tracer } from '../../sim/trace.ts';

const anything = { nodes: null, profile: null };

/**
 * The shipped core, which never fences and never gives the role back: two servers sooner or later.
 */
const neverFences: SimCore = asSimCore({
  initialState: shippedCore.initialState,
  view: shippedCore.view,
  decide: (state: unknown, event, now, config) => {
    const decision = shippedCore.decide(state, event, now, config);
    const effects = decision.effects.map((effect) =>
      effect.kind === 'open_gate'
        ? { ...effect, deadline: (effect.deadline + 60_000) as never }
        : effect,
    );
    return { ...decision, effects: effects.filter(({ kind }) => kind !== 'fence') };
  },
});

/** The shipped core, which says yes to `baton promote` and lets the moment pass. */
const forgetsItsWord: SimCore = asSimCore({
  initialState: shippedCore.initialState,
  view: shippedCore.view,
  decide: (state: unknown, event, now, config) => {
    const decision = shippedCore.decide(state, event, now, config);
    if (event.kind !== 'command') return decision;
    return { ...decision, effects: decision.effects.filter(({ kind }) => kind !== 'timer') };
  },
});

const trace = (seed: number): string => {
  const lines = tracer(false);
  runSchedule(makePlan(seed, anything), {
    core: shippedCore,
    coverage: emptyCoverage(),
    trace: lines,
  });
  return lines.lines.join('\n');
};

describe('a schedule', () => {
  it('is the same for the same seed, to the letter', { timeout: 600_000 }, () => {
    for (const seed of [3, 4_000_000_007, 2 ** 40 + 11]) {
      expect(makePlan(seed, anything)).toEqual(makePlan(seed, anything));
      expect(trace(seed)).toBe(trace(seed));
    }
    expect(trace(3)).not.toBe(trace(5));
  });

  it('of every profile runs clean with the shipped core', { timeout: 600_000 }, () => {
    for (const profile of Object.keys(profiles) as (keyof typeof profiles)[]) {
      const wishes = { nodes: null, profile };
      const batch = { first: 77_000, count: 2, wishes, stopAtFirst: false };
      const { failures, schedules } = runBatch(batch, shippedCore);
      expect(schedules).toBe(2);
      expect(failures.filter((failure) => failure.class === 'inside')).toEqual([]);
    }
  });

  // What each seed shows stands in test/BUGS.md.
  it.each([
    ['a stop that a fence cuts keeps the server that is started next (RIG 5)', 16_781],
    ['a step of a lost epoch puts nothing in place any more (RIG 6)', 229_041],
    ['whoever missed a tenure yields to what it wrote (42)', 7_009_918],
    ['and waits for its answer (42)', 3265],
    ['nobody waits for a master that died before its server started (RIG 7)', 255_879],
    [
      'a record that a failed turn left on the disk binds nobody before the next start (RIG 10)',
      113_139,
    ],
    ['a server that ended before its agent could start is not taken for running (46)', 678_524],
    ['only who began the last tenure can give it back (RIG 11)', 708_362],
    ['a clean end vouches for no earlier replica (61)', 826_558],
    ['a voter that was away for long has two rounds once it is back (RIG 26)', 899_521],
    ['the lost master is whom the winner followed (RIG 28)', 35_321],
    ['a tenure that nobody heard of is one (RIG 29)', 56_395],
    ['a voter is taken out while it waits to start anew (RIG 30)', 224_441],
    ['the same of seven', 330_234],
    ['the same after a freeze', 641_245],
    ['an agent that starts knows nobody (RIG 31)', 270_919],
  ])('in which %s', (_what, seed) => {
    const verdict = runSchedule(makePlan(seed, anything), {
      core: shippedCore,
      coverage: emptyCoverage(),
      trace: null,
    });
    expect(verdict.violation).toBeNull();
  });

  it('holds whoever said yes to `baton promote` to its word', () => {
    const plan = makePlan(1, { nodes: null, profile: 'aimed', plot: 'full-at-the-waits-end' });
    const dies = plan.faults.find(({ kind }) => kind === 'promote');
    if (dies === undefined) throw new Error('nobody dies');
    const heard: PlannedFault = {
      ...dies,
      index: 1,
      kind: 'echo',
      message: 'announce',
      machine: 1,
      sides: 1,
      at: dies.at - 2000,
      duration: 7000,
    };
    const verdictOf = (core: SimCore, faults: readonly PlannedFault[]) =>
      runSchedule({ ...plan, faults }, { core, coverage: emptyCoverage() }).violation;
    expect(verdictOf(shippedCore, [dies])).toBeNull();
    const broken = verdictOf(forgetsItsWord, [dies]);
    expect(broken).toMatchObject({ rule: 'no-master' });
    expect(broken?.text).toContain('pi2 said yes');
    // Once the other is heard the command has ended, as it said.
    expect(verdictOf(shippedCore, [dies, heard])).toBeNull();
    expect(verdictOf(forgetsItsWord, [dies, heard])).toBeNull();
  });

  it('of a core that never fences is caught, and shrinks', { timeout: 600_000 }, () => {
    const wishes = { nodes: null, profile: 'fencing' } as const;
    const batch = { first: 1, count: 300, wishes, stopAtFirst: true };
    const { failures } = runBatch(batch, neverFences);
    const caught = failures.find((failure) => failure.class === 'inside');
    if (caught === undefined) throw new Error('nothing was caught');
    expect(['two-servers', 'two-leases']).toContain(caught.rule);
    const plan = makePlan(caught.seed, wishes);
    const small = shrink(plan, caught.rule, neverFences);
    expect(small.plan.faults.length).toBeLessThanOrEqual(plan.faults.length);
    const again = runSchedule(small.plan, { core: neverFences, coverage: emptyCoverage() });
    expect(again.violation?.rule).toBe(caught.rule);
  });
});

it('a machine that is switched off waits for its vote as long as the daemon does (RIG 25)', () => {
  const drawn = makePlan(1, { nodes: 3, profile: 'calm' });
  const fault = (fields: Partial<PlannedFault>) =>
    ({
      ...{ kind: 'partition', at: 20_000, trigger: null, armedFrom: 0, by: null, after: null },
      ...{ message: null, role: null, machine: 0, duration: 20_000, strength: 0, sides: 1 },
      ...fields,
    }) as PlannedFault;
  const starts = drawn.starts.map((start) => ({ ...start, powerAt: 100, rate: 1 }));
  const runs = [0, 1, 2].map((machine) => {
    const cut = fault({ index: 0, machine, sides: 1 << machine });
    const off = fault({ index: 1, kind: 'shutdown', at: 21_000, machine, duration: 60_000 });
    const lines = tracer(false);
    const plan = { ...drawn, starts, faults: [cut, off] };
    runSchedule(plan, { core: shippedCore, coverage: emptyCoverage(), trace: lines });
    const own = lines.lines.filter((line) => line.includes(`  pi${machine + 1} [`));
    return own.filter((line) => !line.includes('] *') && !line.includes(']  *'));
  });
  const lastMs = runs.map((lines) => Number.parseFloat(lines.at(-1) ?? '') * 1000);
  // Two are voters that reach nobody, one is the master until its lease has run out.
  const leave = lastMs.map((ms) => ms - 21_000).toSorted((a, b) => a - b);
  const role = milliseconds(5000);
  expect(leave[0]).toBeLessThanOrEqual(VOTER_LEAVES + 1000);
  expect(leave[1]).toBeLessThanOrEqual(VOTER_LEAVES + 1000);
  expect(leave[2]).toBeGreaterThan(VOTER_LEAVES + 1000);
  expect(leave[2]).toBeLessThanOrEqual(role + VOTER_LEAVES + 1000);
});

describe('aimed schedules', () => {
  it.each(plotNames)('%s: faults name earlier faults and machines that exist', (plot) => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const { faults, nodes, configs } = makePlan(seed, { nodes: null, profile: 'aimed', plot });
      expect(configs).toHaveLength(nodes.length);
      faults.forEach((fault, place) => {
        expect(fault.index).toBe(place);
        expect(fault.machine).toBeLessThan(nodes.length);
        expect(fault.after ?? -1).toBeLessThan(place);
        expect(fault.by ?? 0).toBeLessThan(nodes.length);
      });
    }
  });

  it('keep a message back until the end of the fault', { timeout: 600_000 }, () => {
    const wishes = { nodes: null, profile: 'aimed', plot: 'old-epoch' } as const;
    let late = 0;
    for (let seed = 1; seed <= 10; seed += 1) {
      const plan = makePlan(seed, wishes);
      const only = { ...plan, faults: plan.faults.filter(({ kind }) => kind === 'hold') };
      const end = only.faults.find(({ message }) => message === 'propose')?.duration ?? 0;
      const lines = tracer(false);
      runSchedule(only, { core: shippedCore, coverage: emptyCoverage(), trace: lines });
      for (const line of lines.lines.filter((text) => /pi2 .* pi3: propose/.test(text))) {
        expect(Number.parseFloat(line) * 1000).toBeGreaterThanOrEqual(Math.floor(end));
        late += 1;
      }
    }
    expect(late).toBeGreaterThan(0);
  });
});

describe('faults beyond the model', () => {
  it('are counted with what contained them', { timeout: 600_000 }, () => {
    const coverage = emptyCoverage();
    let violations = 0;
    let schedules = 0;
    for (let seed = 1; seed <= 1500; seed += 1) {
      const plan = makePlan(seed, anything);
      if (plan.class === 'inside') continue;
      const { violation } = runSchedule(plan, { core: shippedCore, coverage });
      schedules += 1;
      if (violation !== null) violations += 1;
    }
    const { counts } = coverage.containment;
    const columns = counts.length / beyondKinds.length;
    const sumOf = (...places: readonly number[]): number =>
      counts.reduce((sum, count, i) => (places.includes(i % columns) ? sum + count : sum), 0);
    // A fault that waits for its moment may never strike.
    expect(sumOf(0)).toBeLessThanOrEqual(schedules);
    expect(sumOf(0)).toBeGreaterThan(schedules / 2);
    expect(sumOf(1, 2, 3)).toBe(violations);
    expect(violations).toBeGreaterThan(0);
    expect(sumOf(6)).toBeGreaterThan(0);
    const twice = emptyContainment();
    addContainment(twice, coverage.containment);
    addContainment(twice, coverage.containment);
    expect([...twice.counts]).toEqual([...counts].map((count) => 2 * count));
    expect(twice.mildest).toEqual(coverage.containment.mildest);
    for (const kind of beyondKinds) expect(containmentTable(twice)).toContain(kind);
  });
});

describe('the parts', () => {
  it('every kind of fault has a meaning, a class and a row in the table', () => {
    expect(faultNames).toHaveLength(new Set(faultNames).size);
    for (const name of faultNames) {
      expect(faultKinds[name].about).not.toBe('');
      expect(coverageTable(emptyCoverage())).toContain(name);
    }
    expect(covered(emptyCoverage()).seen).toBe(0);
  });

  it('the queue gives back in the order of time, then of entry', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 })), (times) => {
        const queue = eventQueue();
        times.forEach((at, i) => {
          queue.push(at, 0, 0, i, null);
        });
        const out: [number, number][] = [];
        for (let next = queue.pop(); next !== null; next = queue.pop()) {
          out.push([next.at, next.token]);
          queue.recycle(next);
        }
        const sorted = times.map((at, i): [number, number] => [at, i]);
        expect(out).toEqual(sorted.sort((a, b) => a[0] - b[0] || a[1] - b[1]));
      }),
    );
  });

  it('random streams of one seed differ, and of one stream agree', () => {
    const draw = (seed: number, stream: number) =>
      Array.from({ length: 20 }, seededRandom(seed, stream).next);
    expect(draw(9, 1)).toEqual(draw(9, 1));
    expect(draw(9, 1)).not.toEqual(draw(9, 2));
    expect(draw(9, 1)).not.toEqual(draw(10, 1));
  });

  it('wrong arguments are refused with what would be right', () => {
    expect(readArguments(['--seed', '7', '--nodes', '3'])).toMatchObject({
      ok: true,
      given: { seed: 7, nodes: 3, profile: null },
    });
    const wrong = readArguments(['--seed', 'x', '--profile', 'nice', '--nodes', '12']);
    expect(wrong).toMatchObject({ ok: false });
    expect(JSON.stringify(wrong)).toContain('one of calm');
    expect(readArguments(['--sede', '1'])).toMatchObject({ ok: false });
  });

  it('mutants that do not exist are refused, and those that do are named', () => {
    for (const words of [
      ['--mutants', '--only', 'no-silense'],
      ['--replay', '7', '--only', 'silence'],
      ['--replay', '7', '--only', 'no-silense'],
    ]) {
      const answer = readArguments(words);
      expect(answer).toMatchObject({ ok: false });
      expect(JSON.stringify(answer)).toContain('no-silence');
    }
    expect(readArguments(['--only', 'no-silence'])).toMatchObject({ ok: false });
    for (const mode of [['--mutants'], ['--replay', '7']]) {
      expect(readArguments([...mode, '--only', 'no-silence'])).toMatchObject({ ok: true });
    }
  });

  it('the words of a replay make the same schedule', () => {
    const wishes = ['--profile', 'aimed', '--nodes', '5', '--plot', 'old-epoch'];
    const given = readArguments(wishes);
    if (!given.ok) throw new Error(given.text);
    const again = readArguments(replayWords(given.given, 9).split(' '));
    const { nodes, profile, plot } = given.given;
    expect(again).toMatchObject({ ok: true, given: { replay: 9, nodes, profile, plot } });
  });
});
