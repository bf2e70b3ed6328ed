/** Cases on clusters of another shape: two machines, a witness, five, a list that changes. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  answersOf,
  type Case,
  type CaseReport,
  GATE_MS,
  IN_FLIGHT_MS,
  NO_PAUSE_MS,
  unlessStarved,
  WATCH_MS,
} from './case.ts';
import type { Machine } from './machine.ts';
import type { Stage } from './stage.ts';

/** A wish to leave is sent each second, and counts once two rounds have shown the list. */
const OUT_LIMIT_MS = 60_000;

/** What a machine's command said, whether it was refused or not. */
const words = (machine: Machine, command: string): Promise<string> =>
  machine.call('sh', '-c', `${command} 2>&1; echo "exit status $?"`);

/** Nothing may have moved since, and no write may have waited long. */
export const wentOn = async (stage: Stage, before: Machine, since: Since): Promise<Claim> => {
  const pause = stage.longestPauseMs(since.atMs);
  const now = await stage.settled();
  const wrong: string[] = [];
  if (now !== before) wrong.push(`the server moved from ${before.name} to ${now.name}`);
  if (stage.observer.epoch !== since.epoch) {
    wrong.push(`the epoch rose from ${since.epoch} to ${stage.observer.epoch}`);
  }
  stage.tell(`the longest pause of writes was ${pause} ms`);
  if (pause > NO_PAUSE_MS) wrong.push(`writes stood still for ${pause} ms without need`);
  return unlessStarved(stage, before, { atMs: since.atMs, broken: wrong });
};

type Claim = Awaited<ReturnType<typeof unlessStarved>>;

interface Since {
  readonly atMs: number;
  readonly epoch: number;
}

/** Two voters: the server goes on without the other; the other never takes over alone. */
const twoNodes = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const other = await stage.receiver();
  const { epoch } = stage.observer;
  const lostMs = await other.cutPower();
  stage.tell(`${other.name}, the only receiver, has lost its power`);
  await sleep(WATCH_MS);
  const claim = await wentOn(stage, old, { atMs: lostMs, epoch });
  const wrong = [...claim.wrong];
  await other.boot();
  await stage.settled();
  const atMs = await old.cutPower();
  stage.tell(`${old.name}, the server, has lost its power`);
  await sleep(2 * WATCH_MS);
  if (stage.probes.firstReady(atMs + IN_FLIGHT_MS) !== null) {
    wrong.push(`${other.name} served although it cannot know that ${old.name} is dead`);
  }
  const refusal = await words(other, 'baton promote');
  if (!refusal.includes('--i-know-the-other-is-dead') || refusal.includes('exit status 0')) {
    wrong.push(`"baton promote" does not explain itself: ${refusal}`);
  }
  const forcedMs = Date.now();
  const consent = await words(other, 'baton promote --i-know-the-other-is-dead --yes');
  stage.tell(`baton promote --i-know-the-other-is-dead: ${consent.split('\n')[0]}`);
  if (!consent.includes('exit status 0')) wrong.push(`the promotion was refused: ${consent}`);
  const { gapMs } = await stage.failover(atMs, old);
  stage.tell(`${other.name} serves ${gapMs} ms after the loss, asked at ${forcedMs - atMs} ms`);
  await old.boot();
  await stage.settled();
  return { ...claim, gapMs, lossesAtMs: atMs, wrong };
};

/** Two eligible machines and a witness: its vote is enough, and it is never a server. */
const withWitness = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const witness = stage.fleet.machines.at(-1) as Machine;
  const { server, gapMs, atMs } = await stage.loseServer(old);
  const { epoch } = stage.observer;
  const lostMs = await witness.cutPower();
  stage.tell(`${witness.name}, the witness, has lost its power`);
  await sleep(WATCH_MS);
  const claim = await wentOn(stage, server, { atMs: lostMs, epoch });
  const wrong = [...claim.wrong];
  await witness.boot();
  await stage.settled();
  if (answersOf(stage, witness, 0) > 0) wrong.push('the witness served');
  return { ...claim, gapMs, powerCut: true, lossesAtMs: atMs, wrong };
};

/** The bridge breaks with the server on the smaller half; whoever writes reaches both. */
const split = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const others = stage.fleet.machines.filter((one) => one !== old);
  const lesser = [old, ...others.slice(0, Math.floor(stage.fleet.machines.length / 2) - 1)];
  const atMs = Date.now();
  for (const machine of lesser) machine.moveAway(true);
  const names = lesser.map(({ name }) => name).join(' and ');
  stage.tell(`the bridge is broken: ${names} on one side, the others on the other`);
  const { server, gapMs } = await stage.failover(atMs, old);
  await sleep(WATCH_MS);
  const late = answersOf(stage, old, atMs + GATE_MS);
  for (const machine of lesser) machine.moveAway(false);
  stage.tell('the bridge is whole again');
  await stage.settled();
  const wrong = late === 0 ? [] : [`a server without a majority answered ${late} times`];
  if (lesser.includes(server)) wrong.push(`${server.name} serves without a majority`);
  return { gapMs, lossesAtMs: atMs, wrong };
};

/** Of five the server keeps two with it: nothing moves. Then it is among the two that are left. */
const splitOfFive = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const { epoch } = stage.observer;
  const lesser = stage.fleet.machines.filter((one) => one !== old).slice(2);
  const atMs = Date.now();
  for (const machine of lesser) machine.moveAway(true);
  stage.tell(`${lesser.map(({ name }) => name).join(' and ')} are cut off from the server's half`);
  await sleep(WATCH_MS);
  for (const machine of lesser) machine.moveAway(false);
  stage.tell('the bridge is whole again');
  const claim = await wentOn(stage, old, { atMs, epoch });
  const report = await split(stage);
  return { ...claim, ...report, wrong: [...claim.wrong, ...report.wrong] };
};

/** What `baton leave` said: yes, or no with the reason. Null: neither, which it never may. */
export const leaveAnswer = (said: string): 'agreed' | 'refused' | null => {
  if (said.includes('exit status 0')) return 'agreed';
  return said.includes('exit status 1') && /^error: \S/m.test(said) ? 'refused' : null;
};

/** A wish that was agreed to is sent each second until the list lacks that machine. */
const isOut = (stage: Stage, leaver: Machine, server: Machine): Promise<boolean> =>
  stage.waitFor(`${leaver.name} out of the voters, as "baton leave" had said`, OUT_LIMIT_MS, () => {
    const list = stage.observer.report(server.name)?.list;
    return list !== null && list !== undefined && !list.members.includes(leaver.name);
  });

/**
 * A receiver leaves the voters, and returns, each at the very moment of the server's death. At such
 * a moment it may be refused, with a reason; the first wish is carried out once it was agreed to,
 * the second may end with the agent that had it. In the end everybody is a voter: `settled` asks
 * it.
 */
const membersChange = async (stage: Stage): Promise<CaseReport> => {
  const first = await stage.settled();
  const leaver = await stage.receiver();
  const [said, leftMs] = await Promise.all([words(leaver, 'baton leave'), first.cutPower()]);
  stage.tell(`${leaver.name} leaves as ${first.name}, the server, dies: ${said.split('\n')[0]}`);
  const { server: second, gapMs } = await stage.failover(leftMs, first);
  if (leaveAnswer(said) === 'agreed') await isOut(stage, leaver, second);
  await first.boot();
  await leaver.call('systemctl', 'restart', 'baton-agent.service');
  await stage.settled();
  await stage.losses(leftMs);
  const leaveAndReturn = async (): Promise<string> => {
    const answer = await words(leaver, 'baton leave');
    await leaver.call('systemctl', 'restart', 'baton-agent.service');
    return answer;
  };
  const [saidAgain, backMs] = await Promise.all([
    leaveAndReturn(),
    sleep(300).then(() => second.cutPower()),
  ]);
  const line = saidAgain.split('\n')[0];
  stage.tell(`${leaver.name} leaves and returns as ${second.name}, the server, dies: ${line}`);
  const again = await stage.failover(backMs, second);
  await second.boot();
  await stage.settled();
  const wrong = [said, saidAgain]
    .filter((one) => leaveAnswer(one) === null)
    .map((one) => `"baton leave" neither agreed nor said why not: ${one}`);
  return { gapMs: Math.max(gapMs, again.gapMs), lossesAtMs: backMs, wrong };
};

export const clusterCases: readonly Case[] = [
  {
    name: 'two-nodes',
    what: 'two machines: nobody takes over alone, until a person says so',
    random: false,
    fleet: { count: 2, witness: false },
    play: twoNodes,
  },
  {
    name: 'witness',
    what: 'two machines and a witness: server, then witness lose power',
    random: false,
    fleet: { count: 3, witness: true },
    play: withWitness,
  },
  { name: 'split', what: 'the bridge breaks in two halves', random: true, play: split },
  {
    name: 'split-five',
    what: 'the same with five, the server on either half',
    random: false,
    fleet: { count: 5, witness: false },
    play: splitOfFive,
  },
  {
    name: 'members',
    what: 'four machines: the list of voters changes as the server dies',
    random: false,
    fleet: { count: 4, witness: false },
    play: membersChange,
  },
];
