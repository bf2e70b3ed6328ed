/**
 * The revision stream, coarsely: a serving master writes, receivers that follow it and can be
 * reached have everything up to a short while ago.
 *
 * What of it a receiver keeps, and what it is sent, stands in carry.ts. Told to the cores once per
 * interval, as the shell throttles it.
 */
import { feed } from './agent-process.ts';
import { carry } from './carry.ts';
import { canStream } from './network.ts';
import { feedFacts } from './steps.ts';
import { grow, headOf } from './store.ts';
import { happening, type Machine, type World } from './world.ts';

/** Counts the rows written since the last look; a frozen machine writes nothing. */
export function settleWrites(world: World, machine: Machine): void {
  const { server, store } = machine;
  if (!server.running || !server.ready) return;
  const rows = Math.floor((world.now - server.writtenUntil) * server.writesPerMs);
  if (rows <= 0) return;
  server.writtenUntil = world.now;
  if (machine.nodeFrozen) return;
  store.chain = grow(store.chain, rows);
  world.judge.wrote(headOf(store.chain));
}

export function startStreaming(world: World, machine: Machine): void {
  streamTick(world, machine, machine.server.life);
}

export function streamTick(world: World, master: Machine, life: number): void {
  const { server } = master;
  if (life !== server.life || !server.running) return;
  const next = world.now + world.plan.streamInterval;
  world.queue.push(next, happening.streamTick, master.index, life, null);
  settleWrites(world, master);
  // The stream is carried by the agent: none without it.
  if (!master.up || master.agentFrozen || master.nodeFrozen) return;
  feedFacts(world, master);
  for (const receiver of world.machines) {
    if (receiver !== master && receives(world, master, receiver)) {
      const lag = Math.floor(world.random.between(0, 60) * server.writesPerMs);
      copyTo(world, master, receiver, lag);
    }
  }
}

function receives(world: World, master: Machine, receiver: Machine): boolean {
  const { follow } = receiver;
  if (follow === null || follow.master !== master.index) return false;
  // An epoch older than the one this node follows is refused.
  if (follow.epoch !== master.server.epoch || receiver.server.running) return false;
  if (!receiver.up || receiver.agentFrozen || receiver.nodeFrozen) return false;
  if (receiver.config.nodes[receiver.index]?.eligible !== true) return false;
  return canStream(world, master.index, receiver.index);
}

/** What the stream between these two carries now, but for the newest `lag` revisions. */
export function copyTo(world: World, master: Machine, receiver: Machine, lag: number): void {
  const { store } = receiver;
  if (!carry(master.store, store, lag)) return;
  store.source = 'replica';
  store.unclean = false;
  store.dirty = false;
  const { lineageEpoch, revision } = feedFacts(world, receiver);
  feed(world, master, { kind: 'acknowledged', receiver: receiver.name, lineageEpoch, revision });
}
