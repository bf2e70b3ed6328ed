/**
 * The revision stream, coarsely: a serving master writes, receivers that follow it and can be
 * reached have everything up to a short while ago.
 *
 * A receiver's copy is cut back to what it has in common with the master before it goes on
 * (DESIGN section 4, lineage). Told to the cores once per interval, as the shell throttles it.
 */
import { feed } from './agent-process.ts';
import { canStream } from './network.ts';
import { feedFacts } from './steps.ts';
import { type Chain, commonHead, cutTo, epochOf, grow, headOf } from './store.ts';
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
      copyTo(world, master, receiver);
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

const isFlawed = ({ flaws }: World): boolean => flaws.cutBackSkipped || flaws.resumesByNumber;

/** What a receiver ends up with that does not compare lineages (mutants only). */
function keepTooMuch(world: World, own: Chain, theirs: Chain): Chain {
  if (world.flaws.resumesByNumber) {
    const head = headOf(own);
    const further = theirs.filter((segment) => segment.last > head);
    return [...own, ...further.filter((segment) => segment.first > head)];
  }
  return theirs.map((segment, i) => {
    const mine = own[i];
    const isLonger = mine?.tenure === segment.tenure && mine.last > segment.last;
    return isLonger && i < theirs.length - 1 ? mine : segment;
  });
}

function copyTo(world: World, master: Machine, receiver: Machine): void {
  const { chain } = master.store;
  const lag = Math.floor(world.random.between(0, 60) * master.server.writesPerMs);
  const common = commonHead(chain, receiver.store.chain);
  const { store } = receiver;
  const upTo = Math.max(common, headOf(chain) - lag);
  if (store.source !== 'replica' || epochOf(store.chain) !== epochOf(chain)) {
    // A change of master is when a replica is written to the disk.
    store.saved = cutTo(chain, upTo);
  }
  const taken = upTo === headOf(chain) ? chain : cutTo(chain, upTo);
  store.chain = isFlawed(world) ? keepTooMuch(world, store.chain, taken) : taken;
  store.source = 'replica';
  store.unclean = false;
  store.dirty = false;
  feedFacts(world, receiver);
  feed(world, master, {
    kind: 'acknowledged',
    receiver: receiver.name,
    lineageEpoch: epochOf(store.chain),
    revision: headOf(store.chain),
  });
}
