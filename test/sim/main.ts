/**
 * `npm run sim`: the seeded simulator's command.
 *
 * Without a mode it runs many schedules, prints their seeds, rate, faults and violations, shrinks
 * and tells the first failing seed, and ends with `N passed, N failed`. Exit status 1 when a fault
 * inside the model broke a property; 2 for a wrong call. Faults beyond the model are counted apart.
 */
import { randomInt } from 'node:crypto';
import { figure, makeResult, publishResult } from '../lab/result-file.ts';
import { readArguments, replayWords, type SimArguments, usage } from './arguments.ts';
import type { FailedSeed } from './batch.ts';
import { type CampaignReport, runCampaign } from './campaign.ts';
import { containmentTable } from './containment.ts';
import { countNames, coverageTable, covered } from './coverage.ts';
import { hireCrew } from './crew.ts';
import { loadWith } from './mutants/edits.ts';
import { type Hunted, huntAll, isProven } from './mutants/hunt.ts';
import { mutants } from './mutants/table.ts';
import type { PlanWishes } from './plan-maker.ts';
import type { Story } from './replay.ts';

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const wishesOf = (given: SimArguments): PlanWishes => ({
  nodes: given.nodes,
  profile: given.profile,
  plot: given.plot,
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
  summarise(report, given);
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
    const story = await tell(failing.seed, wishesOf(given), { small: true, last: 60 });
    say(`\nthe first failing seed, shrunk:\n${story.text}`);
    say(`\nreplay: npm run sim -- ${replayWords(given, failing.seed)}`);
  }
  say(`${schedules - inside.length} passed, ${inside.length} failed`);
  return inside.length === 0 ? 0 : 1;
}

function showProgress(count: number): (done: number) => void {
  if (!process.stdout.isTTY) return () => undefined;
  return (done) => process.stdout.write(`\r${done} of ${count}${done === count ? '\n' : ''}`);
}

function summarise(report: CampaignReport, given: SimArguments): void {
  const { coverage, schedules, beyond, seconds, inside, outside } = report;
  const faults = coverage.faults.reduce((sum, count) => sum + count, 0);
  const { seen, of } = covered(coverage);
  say(
    `${schedules} schedules in ${seconds.toFixed(1)} s: ${(schedules / seconds).toFixed(0)}/s; ` +
      `${faults} faults injected, ${seen} of ${of} reachable pairs of fault and phase seen`,
  );
  say(countNames.map((name) => `${name} ${coverage.counts[name]}`).join(', '));
  if (given.table) say(`\n${coverageTable(coverage)}\n`);
  say(`inside the model: ${schedules - beyond} schedules, ${inside.length} violations`);
  say(listOf(inside));
  say(`beyond the model: ${beyond} schedules, ${outside.length} violations (nothing is promised)`);
  if (given.table || inside.length > 0) say(listOf(outside));
  if (given.table) say(`\n${containmentTable(coverage.containment)}\n`);
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

/** Imported late: a replay of a mutant edits the modules first. */
async function tell(
  seed: number,
  wishes: PlanWishes,
  choice: { readonly small: boolean; readonly last: number },
): Promise<Story> {
  const { tellStory } = await import('./replay.ts');
  return tellStory(seed, wishes, choice);
}

async function hunt(given: SimArguments): Promise<number> {
  const startedAt = new Date();
  const first = given.seed ?? randomInt(2 ** 40);
  const most = given.schedules ?? 100_000;
  const chosen = mutants.filter(
    (mutant) => given.only === null || mutant.name.includes(given.only),
  );
  say(`${chosen.length} mutants, up to ${most} schedules each, seeds from ${first} on`);
  const done = await huntAll(chosen, {
    first,
    most,
    threads: given.threads,
    tell: (hunted) => say(huntLine(hunted)),
  });
  const surviving = done.filter((hunted) => !isProven(hunted)).length;
  publishResult(
    makeResult({
      command: `sim --mutants --seed ${first} --schedules ${most}`,
      k3s: 'none',
      startedAt,
      figures: [figure('mutants', done.length), figure('mutants_surviving', surviving)],
    }),
    { json: given.json ?? undefined, print: say },
  );
  say(`${done.length - surviving} passed, ${surviving} failed`);
  return surviving === 0 ? 0 : 1;
}

function huntLine({ mutant, caught, schedules, falseAlarm }: Hunted): string {
  const name = mutant.name.padEnd(44);
  if (caught === null) return `${name} SURVIVED ${schedules} schedules (${mutant.breaks})`;
  if (falseAlarm !== null) {
    const { seed, rule } = falseAlarm;
    return `${name} FALSE ALARM: the shipped core breaks ${rule} in seed ${seed} as well`;
  }
  const after = `after ${String(schedules).padStart(6)}, seed ${caught.seed}`;
  return `${name} ${caught.rule.padEnd(22)} ${after}`;
}

async function main(words: readonly string[]): Promise<number> {
  const answer = readArguments(words);
  if (!answer.ok) {
    process.stderr.write(`error: ${answer.text}\n${usage}\n`);
    return 2;
  }
  const { given } = answer;
  if (given.mutants) return hunt(given);
  if (given.replay !== null) {
    const named = mutants.find((mutant) => mutant.name === given.only);
    loadWith(named?.edits ?? []);
    const wishes = named?.wishes ?? {};
    const choice = { small: given.shrink, last: Number.POSITIVE_INFINITY };
    const story = await tell(given.replay, { ...wishesOf(given), ...wishes }, choice);
    say(story.text);
    return story.failed ? 1 : 0;
  }
  return many(given);
}

process.exitCode = await main(process.argv.slice(2));
