/**
 * Whom everybody follows: the announced master with the highest epoch (DESIGN section 5).
 *
 * The master announces to all nodes, voters or not, with every other granted round and at each
 * change of stage. Whoever has seen a higher epoch ignores the lower one; a holder that hears a
 * higher one fences itself. Following decides nothing about who may serve.
 */
import type { Announce, NodeName, Release } from '../../shared/protocol/lease-messages.ts';
import { after, instant, milliseconds } from '../../shared/time/duration.ts';
import { listUnder } from './lease/contact.ts';
import { hearLiving } from './lease/forced.ts';
import { wishToJoin } from './lease/membership.ts';
import { noteHeard } from './lease/presence.ts';
import { isEligible, others } from './lease/roles.ts';
import { recordServed } from './lease/rows.ts';
import { endVacancy, hearOfTenure, scheduleAttempt } from './lease/vacancy.ts';
import { hearRelease, recordEpoch } from './lease/voter.ts';
import type { Leader } from './state.ts';
import { explain, knownEpoch, orderStep, send, type Turn, update, updateRun } from './turn.ts';

/** As holder: tells everybody, or those in `to`. */
export function announce(
  turn: Turn,
  {
    stopped = false,
    to = others(turn.config),
  }: { stopped?: boolean; to?: readonly NodeName[] } = {},
): void {
  const { held } = turn.state.run;
  const { config } = turn;
  if (held === null) return;
  const serving = held.stage === 'serving' || held.stage === 'restarting';
  const message: Announce = {
    kind: 'announce',
    epoch: held.epoch,
    master: config.node,
    stage: stopped ? 'stopped' : serving ? 'serving' : 'starting',
    api_host: config.apiHost,
    api_port: config.apiPort,
    first_revision: held.first_revision,
  };
  for (const node of to) send(turn, node, message);
}

/** The master's own node follows itself: its hosts line names its own address. */
export function followSelf(turn: Turn): void {
  const { held } = turn.state.run;
  if (held === null) return;
  turn.effects.push({
    kind: 'follow',
    master: turn.config.node,
    epoch: held.epoch,
    apiHost: turn.config.apiHost,
    apiPort: turn.config.apiPort,
    serving: true,
  });
}

export function hearAnnounce(turn: Turn, from: NodeName, message: Announce): void {
  const { state, now, config } = turn;
  if (message.master !== from || !isEligible(config, from) || from === config.node) return;
  if (state.run.held !== null || message.epoch < knownEpoch(state)) return;
  const before = state.leader;
  if (before !== null && before.epoch === message.epoch && before.master !== from) return;
  // Stage never goes back within one epoch: a late "starting" does not undo "stopped".
  if (before?.epoch === message.epoch && before.stage === 'stopped') return;
  const leader: Leader = {
    master: from,
    epoch: message.epoch,
    stage: message.stage,
    apiHost: message.api_host,
    apiPort: message.api_port,
    firstRevision: message.first_revision,
    heardAt: now,
  };
  update(turn, { leader });
  hearOfTenure(turn, message.epoch);
  hearLiving(turn, from);
  const { disk } = state;
  if (disk !== null && message.epoch > disk.highest_epoch) {
    recordEpoch(turn, message.epoch, from, listUnder(disk.list, message.epoch, from, config));
  } else if (disk !== null && message.epoch === disk.highest_epoch) {
    // This voter may have accepted somebody else, itself even, who lost the election.
    recordEpoch(turn, message.epoch, from, disk.list);
  }
  if (message.stage === 'stopped') {
    // The Release may have been overtaken: it may name somebody else.
    if (message.epoch > state.patience.epoch) {
      const until = after(now, config.answerTimeout);
      update(turn, { patience: { epoch: message.epoch, until, released: false } });
    }
    scheduleAttempt(turn);
    return;
  }
  if (message.stage === 'serving') recordServed(turn);
  endVacancy(turn);
  if (isChange(before, leader)) tellFollow(turn, leader);
  if (leader.stage === 'serving') startAgentUnit(turn, leader.epoch);
  wishToJoin(turn, from);
}

const isChange = (before: Leader | null, leader: Leader): boolean =>
  before === null ||
  before.epoch !== leader.epoch ||
  before.stage !== leader.stage ||
  before.apiHost !== leader.apiHost ||
  before.apiPort !== leader.apiPort;

function tellFollow(turn: Turn, leader: Leader): void {
  const { master, epoch, apiHost, apiPort } = leader;
  const serving = leader.stage === 'serving';
  turn.effects.push({ kind: 'follow', master, epoch, apiHost, apiPort, serving });
  const doing = serving ? 'serves' : 'is starting its server';
  explain(turn, `follows ${master}, which ${doing} with epoch ${epoch}.`);
}

/** Once per epoch; after a failure the next announcement tries again. */
function startAgentUnit(turn: Turn, epoch: number): void {
  if (turn.state.agentUnitEpoch === epoch) return;
  update(turn, { agentUnitEpoch: epoch });
  orderStep(turn, epoch, { step: 'start_agent_unit' });
}

/**
 * A Release by the master: the vacancy begins now, not when its lease would have run out. A named
 * successor asks at once, the others leave it the time for that.
 */
export function hearVacancy(turn: Turn, from: NodeName, message: Release): void {
  const ended = hearRelease(turn, from, message);
  const { state, config } = turn;
  const leads = state.leader?.master === from && state.leader.epoch === message.epoch;
  if (leads && state.leader !== null) {
    update(turn, { leader: { ...state.leader, stage: 'stopped' } });
  }
  const named = message.successor === config.node;
  // Who names a successor has heard of it, so it can be reached, whatever this node has heard: its
  // answer is worth a wait before a worse replica proposes (L14).
  if (message.successor !== null && !named) noteHeard(turn, message.successor);
  // A candidate that yields to this node: it may be waiting after a refusal, so it asks now.
  if (ended !== 'lease' && !leads && !(named && ended === 'promise')) return;
  const { epoch, last_revision: revision } = message;
  // L13: only the holder of that epoch can vouch for its last revision.
  if (named && revision !== null && epoch >= knownEpoch(state)) {
    // Whoever is chosen does not sit out: its last failure is older than this word.
    updateRun(turn, { handed: { epoch, revision }, sit_out_until: instant(0) });
  }
  if (named) update(turn, { attempts: 0 });
  if (leads) explain(turn, `${from} gave the role back (epoch ${message.epoch}).`);
  bePatient(turn, message);
  scheduleAttempt(turn);
}

/**
 * Whoever is not named leaves the successor the time to ask. Kept in the state, for other timers
 * (the end of a silence) begin attempts as well; once per epoch, so that no repetition prolongs it.
 */
function bePatient(turn: Turn, { epoch, successor }: Release): void {
  const { patience } = turn.state;
  const isKnown = patience.released && patience.epoch === epoch;
  if (isKnown || epoch < patience.epoch) return;
  const { answerTimeout, node } = turn.config;
  const wait = successor === null || successor === node ? 0 : 2 * answerTimeout;
  const until = after(turn.now, milliseconds(wait));
  update(turn, { patience: { epoch, until, released: true } });
}
