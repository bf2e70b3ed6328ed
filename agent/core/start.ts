/**
 * The start of the process: what survived, and what follows from it (LEASE.md, "State"; L2, L9,
 * L14).
 *
 * A restart within one boot finds its /run record and goes on where it was: no silence, no release,
 * no gap. After a boot the node is silent for one maximum lease, and a former master's server that
 * runs without a lease is stopped at once.
 */
import { after, instant } from '../../shared/time/duration.ts';
import { seekContact } from './lease/contact.ts';
import { nextRound } from './lease/holder.ts';
import { loseRole } from './lease/lapse.ts';
import { learn } from './lease/learning.ts';
import { ownPosition } from './lease/positions.ts';
import { isEligible, takesPart } from './lease/roles.ts';
import { silenceFrom } from './lease/silence.ts';
import { scheduleAttempt } from './lease/vacancy.ts';
import { isGateOpen, order, serverExited } from './promotion.ts';
import { type CoreState, freshRun, type Held, type RunState } from './state.ts';
import { arm, explain, type Turn, update, updateRun } from './turn.ts';
import type { StartFacts } from './types.ts';

export function start(turn: Turn, found: StartFacts): void {
  const { now, config } = turn;
  const facts = turn.state.serverEnded ? { ...found, serverRunning: false } : found;
  const survived = facts.run !== null && facts.run.boot_id === facts.bootId ? facts.run : null;
  const state: CoreState = {
    ...turn.state,
    started: true,
    bootId: facts.bootId,
    nonce: survived?.nonce ?? facts.nonce,
    disk: facts.disk,
    datastore: facts.datastore,
    wallOffset: facts.wall.time - now,
    wallSynchronised: facts.wall.synchronised,
    countingSince: now,
    lastProposed: now,
  };
  turn.state = state;
  if (survived === null) boot(turn, facts);
  else resume(turn, survived.state as unknown as RunState, facts);
  if (!takesPart(config)) return;
  if (turn.state.disk === null) learn(turn);
  else seekContact(turn);
  scheduleAttempt(turn);
}

function boot(turn: Turn, facts: StartFacts): void {
  const { now, config } = turn;
  const owner = facts.disk?.epoch_owner ?? null;
  // L14: once per vacancy, and only for somebody else.
  const waits = owner !== null && owner !== config.node && isEligible(config, config.node);
  const silent = silenceFrom(now, facts.disk, config);
  updateRun(turn, {
    ...freshRun,
    silent_until: silent,
    cold_until: waits ? after(now, config.coldStartWait) : instant(0),
  });
  stopStray(turn, facts, 'a server runs without a lease');
  arm(turn, 'silence', silent);
  explain(turn, 'started: silent for one lease, since it may have voted before the boot (L2).');
}

function resume(turn: Turn, run: RunState, facts: StartFacts): void {
  updateRun(turn, { ...freshRun, ...run, left: false });
  if (turn.now < run.silent_until) arm(turn, 'silence', run.silent_until);
  const { held, yield_known } = turn.state.run;
  update(turn, { newestTenure: Math.max(held?.epoch ?? 0, yield_known) });
  explain(turn, 'the process was restarted within one boot: it goes on where it was.');
  if (held === null) {
    stopStray(turn, facts, 'a server runs without a lease');
    return;
  }
  if (turn.now >= held.deadline) {
    loseRole(turn, 'the lease ran out meanwhile');
    return;
  }
  arm(turn, 'fence', held.deadline);
  if (isGateOpen(held)) {
    turn.effects.push({ kind: 'open_gate', epoch: held.epoch, deadline: held.deadline });
  }
  nextRound(turn);
  if (turn.state.run.held === null) return;
  if (held.stage === 'promoting')
    update(turn, { wonWith: ownPosition(turn.state, turn.now, turn.config) });
  goOn(turn, held, facts.serverRunning);
}

/** The step that was under way is ordered once more; what a step before it found out is gone. */
function goOn(turn: Turn, { epoch, step }: Held, serverRunning: boolean): void {
  const needsServer = step === null || step === 'check_ready';
  if (needsServer && !serverRunning) serverExited(turn, epoch, 'it was gone at the start');
  else if (step === 'install_archive') order(turn, 'install_datastore');
  else if (step !== null) order(turn, step);
}

function stopStray(turn: Turn, facts: StartFacts, reason: string): void {
  turn.urgent.push({ kind: 'close_gate' });
  if (!facts.serverRunning) return;
  const epoch = facts.disk?.highest_epoch ?? 0;
  turn.urgent.push({ kind: 'fence', epoch, reason });
  update(turn, { agentUnitEpoch: -1 });
}
