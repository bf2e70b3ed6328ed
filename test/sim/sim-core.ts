/**
 * The core under test as the simulator sees it: three pure functions over a state it never opens.
 */
import type { AgentEvent, CoreConfig, CoreView, Decision } from '../../agent/core/types.ts';
import type { Instant } from '../../shared/time/duration.ts';

export interface SimCore {
  initialState(config: CoreConfig): unknown;
  decide(state: unknown, event: AgentEvent, now: Instant, config: CoreConfig): Decision<unknown>;
  view(state: unknown, now: Instant, config: CoreConfig): CoreView;
}

export interface TypedCore<State> {
  initialState(config: CoreConfig): State;
  decide(state: State, event: AgentEvent, now: Instant, config: CoreConfig): Decision<State>;
  view(state: State, now: Instant, config: CoreConfig): CoreView;
}

/** The only place that knows that what comes back is what went in. */
export const asSimCore = <State>(core: TypedCore<State>): SimCore => core as unknown as SimCore;
