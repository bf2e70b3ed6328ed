/** Cases in which the machine lives and one of baton's own programs does not. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Case,
  type CaseReport,
  mainPid,
  NO_PAUSE_MS,
  startMs,
  unlessStarved,
  unmoved,
  untilProperty,
  WATCH_MS,
} from './case.ts';
import { labProblem } from './host.ts';
import type { Machine } from './machine.ts';
import type { Stage } from './stage.ts';

const GUARDS = ['baton-agent.service', 'baton-deadman.service'] as const;
const RESTARTS = 50;
/** What stop, start and first word of an agent may take. */
const RESTART_MS = 2500;
/** One takes a second on a calm host. */
const RESTARTS_LIMIT_MS = 150_000;

const agentKilled = async (stage: Stage): Promise<CaseReport> => {
  const server = await stage.settled();
  const { epoch } = stage.observer;
  const atMs = await server.killUnit('baton-agent.service');
  stage.tell(`the agent of ${server.name} was killed`);
  await sleep(WATCH_MS);
  const pause = stage.longestPauseMs(atMs);
  const wrong = await unmoved(stage, server, epoch);
  if (pause > NO_PAUSE_MS) wrong.push(`writes stood still for ${pause} ms while the agent died`);
  const claim = await unlessStarved(stage, server, { atMs, broken: wrong });
  return { gapMs: null, lossesAtMs: null, ...claim };
};

const agentRestarts = async (stage: Stage): Promise<CaseReport> => {
  const server = await stage.settled();
  const { epoch } = stage.observer;
  const atMs = Date.now();
  let count = 0;
  let slowestMs = 0;
  while (count < RESTARTS && Date.now() < atMs + RESTARTS_LIMIT_MS) {
    const beganMs = Date.now();
    await server.call('systemctl', 'restart', 'baton-agent.service');
    // Whether that was the agent or this host is to be asked at once.
    const late = Date.now() - beganMs > RESTART_MS;
    if (late) slowestMs = Math.max(slowestMs, await startMs(server));
    await sleep(500);
    count += 1;
  }
  stage.tell(`the agent of ${server.name} was restarted ${count} times`);
  const pause = stage.longestPauseMs(atMs);
  const wrong = await unmoved(stage, server, epoch);
  stage.tell(`the longest pause of writes was ${pause} ms`);
  if (pause > NO_PAUSE_MS) wrong.push(`writes stood still for ${pause} ms during upgrades`);
  if (count < RESTARTS) wrong.push(`${RESTARTS} restarts did not fit into ${RESTARTS_LIMIT_MS} ms`);
  const claim = await unlessStarved(stage, server, { atMs, broken: wrong, slowestMs });
  return { gapMs: null, lossesAtMs: null, ...claim };
};

/** systemd needs 0.1 s and a processor. */
const BACK_LIMIT_MS = 5000;
/** Seconds that k3s.service stays "activating" after its server is ready. */
const STARTING_S = 60;
const SLOW_START = '/run/systemd/system/k3s.service.d/95-lab-slow.conf';

/** As k3s on a Pi, which takes long to say that it is ready. Lasts until the next boot. */
const startSlowly = async (machine: Machine): Promise<void> => {
  const file = machine.path(SLOW_START);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `[Service]\nExecStartPost=-/bin/sleep ${STARTING_S}\n`, { flush: true });
  await machine.call('systemctl', 'daemon-reload');
};

/** The agent is killed while `unit` is starting, and must be there again soon; else sentences. */
const backAtOnce = async (machine: Machine, unit: string): Promise<string[]> => {
  const starting = await untilProperty(machine, unit, 'ActiveState', 'activating');
  if (starting !== 'activating') return [`${unit} of ${machine.name} is ${starting} already`];
  const before = await mainPid(machine, GUARDS[0]);
  const endMs = (await machine.killUnit(GUARDS[0])) + BACK_LIMIT_MS;
  while (Date.now() < endMs) {
    const now = await mainPid(machine, GUARDS[0]);
    if (now !== 0 && now !== before) return [];
    await sleep(100);
  }
  return [`the agent of ${machine.name} is not begun again while ${unit} is starting`];
};

/**
 * Agents begin anew while k3s is starting: on each follower as no server is left to be found and
 * every vote counts, then beside the new server, which has not said yet that it is ready.
 */
const agentsBeside = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  const followers = stage.fleet.machines.filter((one) => one !== old && one.on);
  for (const machine of followers) await startSlowly(machine);
  const lossesAtMs = await old.cutPower();
  stage.tell(`${old.name}, the server, has lost its power; k3s-agent and agent begin anew`);
  const begun = followers.map(async (machine) => {
    await machine.call('systemctl', 'restart', '--no-block', 'k3s-agent.service');
    return backAtOnce(machine, 'k3s-agent.service');
  });
  const missing = (await Promise.all(begun)).flat();
  // Nobody else could vote.
  if (missing.length > 0) throw labProblem(missing.join('; '));
  const { server, gapMs } = await stage.failover(lossesAtMs, old);
  const { epoch } = stage.observer;
  const wrong = await backAtOnce(server, 'k3s.service');
  stage.tell(`the agent of ${server.name} was killed while its server was starting`);
  await sleep(WATCH_MS);
  wrong.push(...(await unmoved(stage, server, epoch)));
  const claim = await unlessStarved(stage, server, { atMs: lossesAtMs, broken: wrong });
  for (const machine of followers) await machine.call('rm', SLOW_START);
  for (const machine of followers) await machine.call('systemctl', 'daemon-reload');
  await old.boot();
  await stage.settled();
  return { gapMs, lossesAtMs, ...claim };
};

/**
 * The kernel's gate alone is left: the server runs on and must not be heard. What it took between
 * the agent's end and the gate's is on its own disk only; that is reported, not a failure.
 */
const guardsKilled = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  await old.call('systemctl', 'mask', '--runtime', ...GUARDS);
  const atMs = Date.now();
  for (const unit of GUARDS) await old.killUnit(unit);
  stage.tell(`agent and dead man's switch of ${old.name} are gone`);
  const { gapMs } = await stage.failover(atMs, old);
  const alive = await mainPid(old, 'k3s.service');
  await old.call('systemctl', 'unmask', '--runtime', ...GUARDS);
  await old.call('systemctl', 'start', ...GUARDS);
  await stage.settled();
  const wrong = alive === 0 ? ['the server was not there any more: the gate proved nothing'] : [];
  return { gapMs, lossesAtMs: atMs, wrong };
};

/** The switch dies, comes back, and then ends the server of an agent that hangs. */
const deadmanKilled = async (stage: Stage): Promise<CaseReport> => {
  const old = await stage.settled();
  await old.killUnit('baton-deadman.service');
  await sleep(2000);
  if ((await mainPid(old, 'baton-deadman.service')) === 0) {
    return { gapMs: null, lossesAtMs: null, wrong: ['the dead man’s switch did not return'] };
  }
  const agent = await mainPid(old, 'baton-agent.service');
  await old.call(
    'systemctl',
    'kill',
    '--signal=SIGSTOP',
    '--kill-whom=main',
    'baton-agent.service',
  );
  const atMs = Date.now();
  stage.tell(`the agent of ${old.name} hangs`);
  const { gapMs } = await stage.failover(atMs, old);
  const alive = await mainPid(old, 'k3s.service');
  const wrong = alive === 0 ? [] : ['the dead man’s switch did not end the server'];
  // systemd's watchdog may have ended the hanging agent before us.
  await old.call('sh', '-c', `kill -CONT ${agent} || true`);
  await stage.settled();
  return { gapMs, lossesAtMs: atMs, wrong };
};

const coordinatorsLost = async (stage: Stage): Promise<CaseReport> => {
  const first = await stage.settled();
  const { epoch } = stage.observer;
  const unit = 'baton-coordinator.service';
  const stoppedMs = Date.now();
  for (const machine of stage.fleet.machines) await machine.call('systemctl', 'stop', unit);
  stage.tell('all coordinators are stopped');
  await sleep(WATCH_MS);
  const broken = await unmoved(stage, first, epoch);
  const claim = await unlessStarved(stage, first, { atMs: stoppedMs, broken });
  const old = await stage.server();
  const atMs = await old.cutPower();
  stage.tell(`${old.name}, the server, has lost its power too`);
  const { gapMs } = await stage.failover(atMs, old);
  await old.boot();
  for (const machine of stage.fleet.machines.filter((one) => one !== old)) {
    await machine.call('systemctl', 'start', unit);
  }
  await stage.settled();
  return { gapMs, powerCut: true, lossesAtMs: atMs, ...claim };
};

export const daemonCases: readonly Case[] = [
  { name: 'agent-killed', what: 'the server’s agent dies', random: true, play: agentKilled },
  { name: 'agent-restarts', what: 'and is upgraded often', random: true, play: agentRestarts },
  {
    name: 'agents-beside',
    what: 'agents die while k3s beside them is starting',
    random: true,
    play: agentsBeside,
  },
  { name: 'guards-killed', what: 'only the gate is left', random: true, play: guardsKilled },
  { name: 'deadman', what: 'the switch dies, then the agent', random: true, play: deadmanKilled },
  {
    name: 'coordinators',
    what: 'no broker is left, then the server dies',
    random: true,
    play: coordinatorsLost,
  },
];
