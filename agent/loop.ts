/**
 * The loop: one queue of events, one state, one decision at a time.
 *
 * Everything that happens to a node is posted here as an event. `decide` says what follows, and
 * the executors carry the effects out **in order**. This file fulfils the caller's duties that
 * stand at the top of agent/core/types.ts:
 *  - a persist that fails drops the rest of the effects and the new state (duty 1);
 *  - time is the boot clock's and never goes back (duty 2);
 *  - timers are armed by name (duty 4). Duty 3, exactly one `step_done` per step, is
 *    agent/actions/steps.ts's.
 *
 * Does not promise that an effect has ended when its executor returns: steps run on and report.
 * Our own bugs (kind `invariant`) leave `post` as exceptions, so that the process ends and is
 * started again; everything else that an executor throws is told to `problem` and survived.
 */

import { isBatonError } from '../shared/errors/baton-error.ts';
import type { Clock, TimerHandle } from '../shared/ports/clock.ts';
import { after, type Instant, instant, seconds } from '../shared/time/duration.ts';
import { mustRepeat } from './core/repeats.ts';
import type { AgentEvent, Decision, Effect, TimerName } from './core/types.ts';

/** The pure part, with its configuration bound: `mastership.ts` in the daemon, a fake in tests. */
export interface Core<State> {
  readonly initial: State;
  decide(state: State, event: AgentEvent, now: Instant): Decision<State>;
}

/** What an executor says: null, or why a persist failed. Only `persist_*` may fail the turn. */
export type Outcome = { readonly failed: string } | null;

/** The effects that the loop itself carries out. */
type LoopKind = 'timer' | 'cancel_timer';

/** One executor for each effect of the core; a new kind of effect does not compile without one. */
export type Executors = {
  readonly [Kind in Exclude<Effect['kind'], LoopKind>]: (
    effect: Extract<Effect, { kind: Kind }>,
  ) => Kind extends 'persist_disk' | 'persist_run' ? Outcome : void;
};

/** Who watches: the log, the report, the stream. Called after each turn; must not throw. */
export interface Observer<State> {
  /** `reason` is empty when nothing worth telling changed. */
  turned(state: State, event: AgentEvent, reason: string, now: Instant): void;
  /** An effect could not be carried out although the core goes on. */
  problem(effect: Effect['kind'], error: unknown): void;
}

export interface Loop<State> {
  /** Handles the event now, or right after the one being handled. */
  post(event: AgentEvent): void;
  state(): State;
  now(): Instant;
  /** Takes no further event and disarms every timer. */
  stop(): void;
}

/** A medium that fails again while its failure is handled is tried once in this time. */
const AGAIN = seconds(1);

export function createLoop<State>(
  core: Core<State>,
  executors: Executors,
  clock: Clock,
  observer: Observer<State>,
): Loop<State> {
  const queue: AgentEvent[] = [];
  const timers = new NamedTimers(clock, (timer) => post({ kind: 'timer', timer }));
  let state = core.initial;
  let latest = instant(0);
  let turning = false;
  let stopped = false;

  const now = (): Instant => {
    const read = clock.now();
    if (read > latest) latest = read;
    return latest;
  };

  const repeat = (event: AgentEvent, effects: readonly Effect[], at: Instant): void => {
    if (!mustRepeat(event, effects)) return;
    // By its name, so that one armed meanwhile replaces it.
    if (event.kind === 'timer') timers.arm(event.timer, after(at, AGAIN));
    else clock.in(AGAIN, () => post(event));
  };

  const turn = (event: AgentEvent): void => {
    const at = now();
    const decision = core.decide(state, event, at);
    for (const effect of decision.effects) {
      const failure = carryOut(effect, executors, timers, observer);
      if (failure !== null) {
        // Handling it needs the same medium: without the pause the two would chase each other.
        if (event.kind === 'persist_failed') clock.in(AGAIN, () => post(failure));
        else queue.unshift(failure);
        repeat(event, decision.effects, at);
        return;
      }
    }
    state = decision.state;
    observer.turned(state, event, decision.reason, at);
  };

  const post = (event: AgentEvent): void => {
    if (stopped) return;
    queue.push(event);
    if (turning) return;
    turning = true;
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) turn(next);
    } finally {
      turning = false;
    }
  };

  const stop = (): void => {
    stopped = true;
    queue.length = 0;
    timers.disarmAll();
  };

  return { post, state: () => state, now, stop };
}

/** Null, or the event that must follow a persist that failed. */
function carryOut(
  effect: Effect,
  executors: Executors,
  timers: NamedTimers,
  observer: Pick<Observer<never>, 'problem'>,
): AgentEvent | null {
  if (effect.kind === 'timer') timers.arm(effect.timer, effect.at);
  else if (effect.kind === 'cancel_timer') timers.disarm(effect.timer);
  else {
    const outcome = attempt(executors, effect, observer);
    if (outcome && isPersist(effect)) {
      const what = effect.kind === 'persist_disk' ? 'disk' : 'run';
      return { kind: 'persist_failed', what, detail: outcome.failed };
    }
  }
  return null;
}

const isPersist = (effect: Effect): boolean =>
  effect.kind === 'persist_disk' || effect.kind === 'persist_run';

/** What the executor of this effect answers; what it throws becomes an answer, our own bugs not. */
function attempt(
  executors: Executors,
  effect: Exclude<Effect, { kind: LoopKind }>,
  observer: Pick<Observer<never>, 'problem'>,
): Outcome {
  const execute = executors[effect.kind] as (given: Effect) => Outcome | undefined;
  try {
    return execute(effect) ?? null;
  } catch (error) {
    if (isBatonError(error) && error.kind === 'invariant') throw error;
    observer.problem(effect.kind, error);
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}

/** One timer per name: arming it again replaces it. */
class NamedTimers {
  readonly #clock: Clock;
  readonly #fire: (timer: TimerName) => void;
  readonly #armed = new Map<TimerName, TimerHandle>();

  constructor(clock: Clock, fire: (timer: TimerName) => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  arm(timer: TimerName, at: Instant): void {
    this.disarm(timer);
    const fire = (): void => {
      this.#armed.delete(timer);
      this.#fire(timer);
    };
    this.#armed.set(timer, this.#clock.at(at, fire));
  }

  disarm(timer: TimerName): void {
    this.#armed.get(timer)?.cancel();
    this.#armed.delete(timer);
  }

  disarmAll(): void {
    for (const timer of [...this.#armed.keys()]) this.disarm(timer);
  }
}
