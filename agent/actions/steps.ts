/**
 * The steps of a promotion and of stepping down: each is carried out once and reports `step_done`
 * **exactly once**, whatever happens to it (duty 3 in agent/core/types.ts).
 *
 * Steps run one after the other in the order in which they were given, so that a step of a lost
 * epoch, still copying, never works beside one of the next. A fence does not wait in that line: it
 * cuts the step that runs and those that wait, and they report `ok: false`
 * (agent/actions/fence.ts). A stop of the server cuts what starts it.
 *
 * Does not decide what follows a failure: the core does. Source: DESIGN section 5 "Promotion".
 */

import { type Duration, seconds, type WallTime, wallTime } from '../../shared/time/duration.ts';
import type { AgentEvent, Effect, Step } from '../core/types.ts';
import type { DatastoreSteps, StepResult } from './datastore-steps.ts';
import type { UnitManager, UnitName, UnitResult } from './unit-manager.ts';

/** k3s stops in this time (drop-in TimeoutStopSec); then it is killed. */
export const STOP_GRACE = seconds(5);
/** An agent unit leaves its pods alone (KillMode=process); it ends quickly. */
const AGENT_STOP_GRACE = seconds(10);

export type StepEffect = Extract<Effect, { kind: 'step' }>;

/** Waits until the API server answers; adapters/ready-probe.ts. */
export interface ReadyProbe {
  /** Asks until 200, the bound, or `signal`; never rejects. */
  untilReady(bound: Duration, signal: AbortSignal): Promise<StepResult>;
}

export interface StepPlace {
  readonly units: UnitManager;
  readonly datastore: DatastoreSteps;
  /** Steps an earlier wall clock forward; null, or why it could not; adapters/wall-clock.ts. */
  readonly wallNotBefore: (wall: WallTime) => Promise<string | null>;
  /**
   * A start waits for the fence under way to end: it would end the new server as well. False when
   * that fence does not come to its end.
   */
  readonly fenceSettled: () => Promise<boolean>;
  /** The server was started under this epoch. */
  readonly serverUp: (epoch: number) => void;
  readonly ready: ReadyProbe;
  /** A server that is not ready by then never will be: 180 s on a slow card, less in tests. */
  readonly readyBound: Duration;
  readonly post: (event: AgentEvent) => void;
  /** Each report of a step with the time it took, for the promotion's timeline. */
  readonly told: (step: Step, result: StepResult) => void;
}

export interface Steps {
  order(effect: StepEffect): void;
  /** Cuts every step that has been ordered so far. */
  cut(reason: string): void;
  /** The server ended by itself: true when a running step takes the blame and reports it. */
  serverExited(detail: string): boolean;
  /** Resolves when no step is under way, and none was ordered meanwhile. */
  idle(): Promise<void>;
}

interface Ordered {
  readonly effect: StepEffect;
  readonly control: AbortController;
}

const fromUnit = (result: UnitResult, detail: string): StepResult =>
  result.ok ? { ok: true, detail } : result;

export function createSteps(place: StepPlace): Steps {
  const ordered = new Set<Ordered>();
  let line: Promise<void> = Promise.resolve();

  const run = async (one: Ordered): Promise<void> => {
    const result = await guarded(one, () => carryOut(place, one));
    ordered.delete(one);
    place.told(one.effect.step, result);
    place.post(stepDone(one.effect, result));
  };

  const cutStarts = (reason: string): readonly Ordered[] => {
    const starts = [...ordered].filter(({ effect }) => needsServer(effect.step));
    for (const one of starts) one.control.abort(reason);
    return starts;
  };

  return {
    order(effect) {
      const one = { effect, control: new AbortController() };
      // It is waited for no longer: a slow card takes minutes, a machine that goes off has seconds.
      if (effect.step === 'stop_server') cutStarts('the server is to stop');
      ordered.add(one);
      line = line.then(() => run(one));
    },
    cut(reason) {
      for (const one of ordered) if (goesUp(one.effect.step)) one.control.abort(reason);
    },
    serverExited: (detail) => cutStarts(detail).length > 0,
    async idle() {
      // The report of a step may order another one.
      while (ordered.size > 0) await line;
    },
  };
}

function carryOut(
  place: StepPlace,
  { effect, control }: Ordered,
): Promise<StepResult> | StepResult {
  const { units, datastore } = place;
  switch (effect.step) {
    case 'stop_agent_unit':
      return stopUnit(place, 'agent', AGENT_STOP_GRACE);
    case 'install_datastore':
      return datastore.installDatastore(effect);
    case 'install_archive':
      return datastore.installArchive();
    case 'start_server':
      return startServer(place, effect.epoch, wallTime(effect.notBeforeWall), control.signal);
    case 'check_ready':
      return checkReady(place, control.signal);
    case 'stop_server':
      return stopServer(place);
    case 'send_last_revisions':
      return datastore.sendLastRevisions(effect.to);
    case 'start_agent_unit':
      return units.start('agent').then((result) => fromUnit(result, 'k3s-agent runs'));
  }
}

async function stopUnit(place: StepPlace, unit: UnitName, grace: Duration): Promise<StepResult> {
  return fromUnit(await place.units.stop(unit, grace), `the ${unit} unit is stopped and masked`);
}

async function startServer(
  place: StepPlace,
  epoch: number,
  notBefore: WallTime,
  signal: AbortSignal,
): Promise<StepResult> {
  // k3s would make certificates that are not valid yet for anybody else (DESIGN section 2).
  const late = await place.wallNotBefore(notBefore);
  if (late !== null) return { ok: false, detail: late };
  if (!(await place.fenceSettled())) {
    return { ok: false, detail: 'the last fence has not ended: its server could not be stopped' };
  }
  if (signal.aborted) return { ok: false, detail: String(signal.reason) };
  place.datastore.serverStarting(epoch);
  const result = await place.units.start('server', signal);
  if (result.ok && !signal.aborted) place.serverUp(epoch);
  return fromUnit(result, 'the server was started');
}

/** Its end may have been told before this step was ordered: then nothing would ever answer. */
async function checkReady(place: StepPlace, signal: AbortSignal): Promise<StepResult> {
  if (!(await place.units.running('server'))) {
    return { ok: false, detail: 'no server process runs' };
  }
  return place.ready.untilReady(place.readyBound, signal);
}

async function stopServer(place: StepPlace): Promise<StepResult> {
  const result = await stopUnit(place, 'server', STOP_GRACE);
  if (result.ok) place.datastore.serverStopped();
  return result;
}

/** Steps that bring the server up: pointless, and dangerous, once it has been fenced. */
const goesUp = (step: Step): boolean => step !== 'stop_server' && step !== 'start_agent_unit';

const needsServer = (step: Step): boolean => step === 'start_server' || step === 'check_ready';

/** The step's outcome, or why it was cut; a step that throws has failed. */
async function guarded(
  { control }: Ordered,
  work: () => Promise<StepResult> | StepResult,
): Promise<StepResult> {
  const cut = (): StepResult => ({ ok: false, detail: String(control.signal.reason) });
  if (control.signal.aborted) return cut();
  try {
    const result = await work();
    return control.signal.aborted ? cut() : result;
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

const stepDone = ({ step, epoch }: StepEffect, result: StepResult): AgentEvent => ({
  kind: 'step_done',
  step,
  epoch,
  ok: result.ok,
  detail: result.detail,
  ...(result.ok && result.firstRevision !== undefined
    ? { firstRevision: result.firstRevision }
    : {}),
  ...(result.ok && result.lastRevision !== undefined ? { lastRevision: result.lastRevision } : {}),
});
