/**
 * One turn of `decide`: the state as it becomes, and the effects in the order that safety needs.
 *
 * The rules call the helpers here and never build effect lists themselves, so the order is decided
 * in one place (`finish`):
 *  1. fence and close the gate: no failing disk may stop a server from being stopped;
 *  2. persist_disk, then persist_run, each only when its part of the state changed;
 *  3. everything else in the order it was asked for.
 * A `Turn` lives inside one call; the states it starts from and ends with are immutable.
 */
import type { LeaseMessage, NodeName } from '../../shared/protocol/lease-messages.ts';
import type { Instant } from '../../shared/time/duration.ts';
import type { CoreState, RunState } from './state.ts';
import type {
  CoreConfig,
  Decision,
  DiskRecord,
  Effect,
  RunRecord,
  StepOrder,
  TimerName,
} from './types.ts';

export interface Turn {
  readonly before: CoreState;
  readonly now: Instant;
  readonly config: CoreConfig;
  readonly urgent: Effect[];
  readonly effects: Effect[];
  state: CoreState;
  reason: string;
}

export const beginTurn = (state: CoreState, now: Instant, config: CoreConfig): Turn => ({
  before: state,
  now,
  config,
  urgent: [],
  effects: [],
  state,
  reason: '',
});

/** Replaces some fields of the memory part. */
export function update(turn: Turn, change: Partial<CoreState>): void {
  turn.state = { ...turn.state, ...change };
}

/** Replaces some fields of what is kept in /run; the record is written before anything is sent. */
export function updateRun(turn: Turn, change: Partial<RunState>): void {
  turn.state = { ...turn.state, run: { ...turn.state.run, ...change } };
}

export function updateDisk(turn: Turn, disk: DiskRecord): void {
  turn.state = { ...turn.state, disk };
}

export function send(turn: Turn, to: NodeName, message: LeaseMessage): void {
  turn.effects.push({ kind: 'send', to, message });
}

/** Arms a timer; one of the same name is replaced. */
export function arm(turn: Turn, timer: TimerName, at: Instant): void {
  turn.effects.push({ kind: 'timer', timer, at });
}

export function disarm(turn: Turn, timer: TimerName): void {
  turn.effects.push({ kind: 'cancel_timer', timer });
}

export function orderStep(turn: Turn, epoch: number, order: StepOrder): void {
  turn.effects.push({ kind: 'step', epoch, ...order });
}

export function reply(turn: Turn, id: string | null, ok: boolean, text: string): void {
  if (id !== null) turn.effects.push({ kind: 'reply', id, ok, text });
}

/** Adds one sentence; several in one turn are joined. */
export function explain(turn: Turn, sentence: string): void {
  turn.reason = turn.reason === '' ? sentence : `${turn.reason} ${sentence}`;
}

const keptReasons = 64;

/** What people are shown as the epoch at this moment. */
export const knownEpoch = (state: CoreState): number =>
  Math.max(state.run.held?.epoch ?? 0, state.leader?.epoch ?? 0, state.disk?.highest_epoch ?? 0);

export function runRecord(state: CoreState): RunRecord {
  return {
    version: 1,
    boot_id: state.bootId,
    nonce: state.nonce,
    state: state.run as unknown as RunRecord['state'],
  };
}

/** Orders the effects and closes the turn. */
export function finish(turn: Turn): Decision<CoreState> {
  const { before, urgent, effects, reason } = turn;
  if (reason !== '') {
    const entry = { at: turn.now, epoch: knownEpoch(turn.state), reason };
    const kept = turn.state.reasons.slice(1 - keptReasons);
    update(turn, { reasons: [...kept, entry] });
  }
  const state = turn.state;
  const disk = state.disk !== before.disk && state.disk !== null ? state.disk : null;
  const run = state.run !== before.run || state.nonce !== before.nonce;
  if (urgent.length === 0 && disk === null && !run) return { state, effects, reason };
  const ordered: Effect[] = urgent;
  if (disk !== null) ordered.push({ kind: 'persist_disk', record: disk });
  if (run) ordered.push({ kind: 'persist_run', record: runRecord(state) });
  for (const effect of effects) ordered.push(effect);
  return { state, effects: ordered, reason };
}
