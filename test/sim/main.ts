/**
 * `npm run sim`: the seeded simulator's command.
 *
 * Without a mode it runs many schedules, prints their seeds, rate, faults and violations, shrinks
 * and tells the first failing seed, and ends with `N passed, N failed`. Exit status 1 when a fault
 * inside the model broke a property; 2 for a wrong call. Faults beyond the model are counted apart.
 */
import { randomInt } from 'node:crypto';
import { figure, makeResult, publishResult } from '../lab/result-file.ts';
import { readArguments, type SimArguments, usage } from './arguments.ts';
import type { FailedSeed } from './batch.ts';
import { type CampaignReport, runCampaign } from './campaign.ts';
import { countNames, coverageTable, covered } from './coverage.ts';
import { hireCrew } from './crew.ts';
import type { PlanWishes } from './plan-maker.ts';
import { tellStory } from './replay.ts';

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const wishesOf = (given: SimArguments): PlanWishes => ({
  nodes: given.nodes,
  profile: given.profile,
});

async function many(given: SimArguments): Promise<number> {
  const first = given.seed ?? randomInt(2 ** 40);
  const count = given.schedules ?? 20_000;
  const startedAt = new Date();
  say(`seeds ${first} to ${first + count - 1}, ${given.threads} threads`);
  const crew = hireCrew(given.threads);
  const report = await runCampaign(crew, {
    first,
    count,
    wishes: wishesOf(given),
    progress: showProgress(count),
  });
  await crew.close();
  tell(report, given);
  const { inside, schedules, seconds } = report;
  publishResult(
    makeResult({
      command: ['sim', '--seed', String(first), '--schedules', String(count)].join(' '),
      k3s: 'none',
      startedAt,
      figures: [
        figure('schedules', schedules),
        figure('schedules_per_s', Math.round(schedules / seconds)),
        figure('violations', inside.length),
      ],
    }),
    { json: given.json ?? undefined, print: say },
  );
  const failing = inside[0];
  if (failing !== undefined) {
    const choice = { small: true, mutant: null, last: 60 };
    say(
      `\nthe first failing seed, shrunk:\n${tellStory(failing.seed, wishesOf(given), choice).text}`,
    );
    say(`\nreplay: npm run sim -- --replay ${failing.seed} --shrink`);
  }
  say(`${schedules - inside.length} passed, ${inside.length} failed`);
  return inside.length === 0 ? 0 : 1;
}

function showProgress(count: number): (done: number) => void {
  if (!process.stdout.isTTY) return () => undefined;
  return (done) => process.stdout.write(`\r${done} of ${count}${done === count ? '\n' : ''}`);
}

function tell(report: CampaignReport, given: SimArguments): void {
  const { coverage, schedules, beyond, seconds, inside, outside } = report;
  const faults = coverage.faults.reduce((sum, count) => sum + count, 0);
  const { seen, of } = covered(coverage);
  say(
    `${schedules} schedules in ${seconds.toFixed(1)} s: ${(schedules / seconds).toFixed(0)}/s; ` +
      `${faults} faults injected, ${seen} of ${of} pairs of fault and phase seen`,
  );
  say(countNames.map((name) => `${name} ${coverage.counts[name]}`).join(', '));
  if (given.table) say(`\n${coverageTable(coverage)}\n`);
  say(`inside the model: ${schedules - beyond} schedules, ${inside.length} violations`);
  say(listOf(inside));
  say(`beyond the model: ${beyond} schedules, ${outside.length} violations (nothing is promised)`);
  if (given.table || inside.length > 0) say(listOf(outside));
}

function listOf(failures: readonly FailedSeed[]): string {
  const byRule = new Map<string, FailedSeed[]>();
  for (const failure of failures) {
    const row = byRule.get(failure.rule);
    if (row === undefined) byRule.set(failure.rule, [failure]);
    else row.push(failure);
  }
  return [...byRule]
    .map(([rule, row]) => {
      const seeds = row.slice(0, 8).map((failure) => failure.seed);
      return `  ${rule}: ${row.length}, seeds ${seeds.join(' ')}${row.length > 8 ? ' …' : ''}`;
    })
    .join('\n');
}

async function main(words: readonly string[]): Promise<number> {
  const answer = readArguments(words);
  if (!answer.ok) {
    process.stderr.write(`error: ${answer.text}\n${usage}\n`);
    return 2;
  }
  const { given } = answer;
  if (given.replay !== null) {
    const choice = { small: given.shrink, mutant: given.only, last: Number.POSITIVE_INFINITY };
    const story = tellStory(given.replay, wishesOf(given), choice);
    say(story.text);
    return story.failed ? 1 : 0;
  }
  return many(given);
}

process.exitCode = await main(process.argv.slice(2));
