/**
 * What people see of the core's state: roles and phases are derived, never stored.
 *
 * Pure reading: nothing is decided here. The same view feeds the topics, `baton status`, `baton
 * why`, the console and the scout.
 */
import type { Instant } from '../../shared/time/duration.ts';
import { knownPositions } from './lease/positions.ts';
import { isEligible, isVoter } from './lease/roles.ts';
import { coldWaiting, otherMaster } from './lease/vacancy.ts';
import type { CoreState } from './state.ts';
import { knownEpoch } from './turn.ts';
import type { CoreConfig, CoreView } from './types.ts';

/** Everything a person, a topic or the scout may want to know at `now`. */
export function view(state: CoreState, now: Instant, config: CoreConfig): CoreView {
  const { held } = state.run;
  return {
    node: config.node,
    role: role(state, now, config),
    phase: phase(state, now, config),
    epoch: knownEpoch(state),
    master: master(state, now, config),
    list: state.disk?.list ?? null,
    deadline: held?.deadline ?? null,
    ballot: held?.ballot ?? state.attempt?.ballot ?? null,
    step: held?.step ?? null,
    positions: knownPositions(state, now, config),
    reasons: state.reasons,
  };
}

const holds = (state: CoreState, now: Instant): boolean =>
  state.run.held !== null && now < state.run.held.deadline;

function role(state: CoreState, now: Instant, config: CoreConfig): CoreView['role'] {
  if (holds(state, now)) return 'master';
  // A holder past its deadline, or one that has just lost the role and follows nobody yet.
  if (state.run.held !== null) return 'fenced';
  const follows = state.leader !== null && state.leader.master !== config.node;
  if (now < state.run.sit_out_until && !follows) return 'fenced';
  if (isEligible(config, config.node)) return 'receiver';
  return isVoter(config, config.node) ? 'witness' : 'follower';
}

function phase(state: CoreState, now: Instant, config: CoreConfig): CoreView['phase'] {
  const { held } = state.run;
  if (held !== null && now < held.deadline) {
    if (held.stage === 'handing_over' || held.stage === 'giving_back') return 'stepping_down';
    return held.stage === 'serving' ? 'serving' : 'promoting';
  }
  if (state.attempt !== null) return 'asking';
  if (followsSomebody(state, now, config)) return 'following';
  if (now < state.run.silent_until) return 'silent';
  if (state.learning !== null) return 'learning';
  if (now < state.run.sit_out_until) return 'sitting_out';
  if (now < state.run.yield_until) return 'yielding';
  if (coldWaiting(state, now, config)) return 'waiting';
  return 'vacant';
}

/** A master counts as there while its announcements or this node's own lock say so. */
function followsSomebody(state: CoreState, now: Instant, config: CoreConfig): boolean {
  const leader = otherMaster(state, config);
  if (leader === null) return false;
  const { accepted } = state.run;
  if (accepted !== null && accepted.owner === leader.master && now < accepted.until) return true;
  return now < leader.heardAt + config.leaseDuration;
}

function master(state: CoreState, now: Instant, config: CoreConfig): string | null {
  if (holds(state, now)) return config.node;
  return followsSomebody(state, now, config) ? (state.leader?.master ?? null) : null;
}
