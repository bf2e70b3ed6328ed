/** The case of machines whose wall clocks are years off and jump. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Case, type CaseReport, unlessStarved, unmoved, WATCH_MS } from './case.ts';
import { CLOCK_READ_S, giveClock, setYears, takeClock } from './machine-clock.ts';
import type { Stage } from './stage.ts';

const YEARS = 20;
const JUMPS = 6;
/** Days in a year, as an age in ms: a clock that is off by less is not off by years. */
const YEAR_MS = 360 * 24 * 3600 * 1000;

/** Agents whose own word on when they started is not years off: their clock was never wrong. */
const trueClocks = (stage: Stage): string[] =>
  stage.fleet.machines
    .filter(({ name }) => {
      const started = stage.observer.report(name)?.started_ms ?? Date.now();
      return Math.abs(started - Date.now()) < YEAR_MS;
    })
    .map(({ name }) => `the clock of ${name} was never off: the case proved nothing`);

/**
 * The clocks are wrong and nobody vouches for them, as on machines without a battery. Nothing moves
 * while they jump; and when the server dies, another follows on a clock of its own.
 */
const clocks = async (stage: Stage): Promise<CaseReport> => {
  const first = await stage.settled();
  const { machines } = stage.fleet;
  const beganMs = Date.now();
  for (const machine of machines) await giveClock(machine, machine === first ? -YEARS : YEARS);
  stage.tell(`the clock of ${first.name}, the server, is ${YEARS} years late, the others early`);
  // Whether a restart moves the server is another case's question, and what it then costs.
  const second = await stage.settled();
  const { epoch } = stage.observer;
  const wrong = trueClocks(stage);
  await stage.losses(beganMs);
  const jumpMs = Date.now();
  for (let jump = 0; jump < JUMPS; jump++) {
    for (const [at, machine] of machines.entries()) {
      setYears(machine, (jump + at) % 2 === 0 ? YEARS : -YEARS);
    }
    await sleep(2 * CLOCK_READ_S * 1000);
  }
  await sleep(WATCH_MS);
  stage.tell(
    `they jumped ${JUMPS} times; the longest pause was ${stage.longestPauseMs(jumpMs)} ms`,
  );
  const broken = await unmoved(stage, second, epoch);
  const claim = await unlessStarved(stage, second, { atMs: jumpMs, broken });
  const old = await stage.server();
  const { gapMs, atMs } = await stage.loseServer(old);
  await stage.losses(atMs);
  const restartMs = Date.now();
  for (const machine of machines) if (machine !== old) await takeClock(machine);
  await stage.settled();
  const { notJudged = [] } = claim;
  wrong.push(...claim.wrong);
  return { gapMs, powerCut: true, lossesAtMs: restartMs, notJudged, wrong };
};

export const clockCases: readonly Case[] = [
  { name: 'clocks', what: 'wall clocks are years off and jump', random: true, play: clocks },
];
