/**
 * Rules of the judge that no mutant breaks first: each is broken by a core that is wrong on
 * purpose, around the shipped one.
 */
import { describe, expect, it } from 'vitest';
import type { AgentEvent, Effect, NodeEntry } from '../../../agent/core/types.ts';
import { judge, type RuleName } from '../../sim/checks/judge.ts';
import { shippedCore } from '../../sim/core-under-test.ts';
import { emptyCoverage } from '../../sim/coverage.ts';
import { makePlan } from '../../sim/plan-maker.ts';
import { runSchedule } from '../../sim/schedule.ts';
import { asSimCore, type SimCore } from '../../sim/sim-core.ts';
import type { Machine, World } from '../../sim/world.ts';

/** The shipped core, which does something else, and may be told something else. */
const wrong = (
  effectsOf: (effects: readonly Effect[]) => readonly Effect[],
  told: (event: AgentEvent) => AgentEvent = (event) => event,
): SimCore =>
  asSimCore({
    ...shippedCore,
    decide: (state: unknown, event, now, config) => {
      const decision = shippedCore.decide(state, told(event), now, config);
      return { ...decision, effects: effectsOf(decision.effects) };
    },
  });

/** Every timer that was ever armed is armed again. */
const keepsItsTimers = (): SimCore => {
  const armed: Effect[] = [];
  return wrong((effects) => {
    const earlier = [...armed];
    armed.push(...effects.filter(({ kind }) => kind === 'timer'));
    return [...earlier, ...effects];
  });
};

const down = (epoch: number): number => 1000 - epoch;

/** Epochs count down wherever the server is concerned; none is used twice. */
const servesDownwards = (): SimCore =>
  wrong(
    (effects) =>
      effects.map((effect) =>
        effect.kind === 'open_gate' || effect.kind === 'step'
          ? { ...effect, epoch: down(effect.epoch) }
          : effect,
      ),
    (event) =>
      event.kind === 'step_done' || event.kind === 'server_exited'
        ? { ...event, epoch: down(event.epoch) }
        : event,
  );

const withRecordDown = (effect: Effect): Effect => {
  if (effect.kind !== 'persist_disk') return effect;
  const { record } = effect;
  return { ...effect, record: { ...record, highest_epoch: down(record.highest_epoch) } };
};

const throwsOnceItHasWon = (): SimCore =>
  wrong((effects) => {
    if (effects.some(({ kind }) => kind === 'open_gate')) throw new TypeError('no such field');
    return effects;
  });

const broken: readonly (readonly [RuleName, () => SimCore])[] = [
  ['too-many-effects', keepsItsTimers],
  ['epoch-fell', servesDownwards],
  ['disk-epoch-fell', () => wrong((effects) => effects.map(withRecordDown))],
  ['core-threw', throwsOnceItHasWon],
];

describe('the judge', () => {
  it.each(broken)('sees %s, and the shipped core keeps it', { timeout: 600_000 }, (rule, core) => {
    const seen = new Set<string | undefined>();
    for (let seed = 1; seed <= 10; seed += 1) {
      const plan = makePlan(seed, { nodes: 3, profile: 'crashes' });
      const brokenBy = (under: SimCore) =>
        runSchedule(plan, { core: under, coverage: emptyCoverage() }).violation?.rule;
      seen.add(brokenBy(core()));
      expect(brokenBy(shippedCore)).toBeUndefined();
    }
    expect([...seen]).toContain(rule);
  });
});

it('an election is judged without a coordinator: witnesses need no word of each other', () => {
  const seeds = Array.from({ length: 400 }, (_, seed) => seed);
  const plans = seeds.map((seed) => makePlan(seed, { nodes: 5, profile: 'calm' }));
  const isWitness = ({ voter, eligible }: NodeEntry): boolean => voter && !eligible;
  const plan = plans.find(({ nodes }) => nodes.filter(isWitness).length === 2);
  if (plan === undefined) throw new Error('no plan with two witnesses');
  const alone = { ...plan, coordinators: [] };
  const brokenBy = (core: SimCore) =>
    runSchedule(alone, { core, coverage: emptyCoverage() }).violation?.rule;
  const winsNever = wrong((effects) => effects.filter(({ kind }) => kind !== 'send'));
  expect(brokenBy(winsNever)).toBe('no-master');
  expect(brokenBy(shippedCore)).toBeUndefined();
});

describe('whoever has followed an epoch', () => {
  const record = { version: 1, list: { committed: false } };
  it.each([
    ['follows no older one in the same life', { disk: null, life: 1, isWiped: false }, true],
    ['nor after a restart, for its card knows it', { disk: record, life: 2, isWiped: false }, true],
    ['may after a restart without a record', { disk: null, life: 2, isWiped: false }, false],
    ['may with another card', { disk: record, life: 2, isWiped: true }, false],
  ])('%s', (_what, { disk, life, isWiped }, isBroken) => {
    const machine = { name: 'pi1', life: 1, disk } as unknown as Machine;
    const world = { now: 0, trace: null, machines: [] as Machine[] } as unknown as World;
    const rules = judge(0);
    rules.follows(world, machine, 5);
    machine.life = life;
    if (isWiped) rules.recordLost(world, machine, machine.disk);
    rules.follows(world, machine, 4);
    expect(rules.violation?.rule).toBe(isBroken ? 'old-epoch-followed' : undefined);
  });
});
