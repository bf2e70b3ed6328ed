/**
 * From a master's rows to a receiver's: the shipped greeting (agent/stream/greeting.ts, lineage.ts)
 * decides how far the receiver is cut back and from where it is sent rows. Here rows only move.
 */
import { planGreeting } from '../../agent/stream/greeting.ts';
import type { ResumePlan } from '../../agent/stream/lineage.ts';
import { lineageToWire } from '../../agent/stream/lineage-wire.ts';
import {
  type Copy,
  copyOf,
  cutBack,
  digestAt,
  epochOf,
  extend,
  headOf,
  type Store,
} from './store.ts';

/** As many as a sender answers on one connection. */
const mostGreetings = 4;

/**
 * Everything but the newest `lag` revisions; false when nothing flows. There is no greeting while
 * rows of one table flow, as on a connection that stands. A copy anew is in use once complete.
 */
export function carry(theirs: Copy, own: Store, lag: number): boolean {
  const head = headOf(theirs.chain);
  // A master without a row does not answer.
  if (head === 0) return false;
  const flows = own.lineage === theirs.lineage && headOf(own.chain) <= head;
  const verdict = flows ? 'resume' : greet(theirs, own);
  if (verdict === 'cut') return false;
  const isChange =
    !flows || own.source !== 'replica' || epochOf(own.chain) !== epochOf(theirs.chain);
  own.chain =
    verdict === 'copy'
      ? extend([], theirs.chain, head)
      : extend(own.chain, theirs.chain, head - lag);
  own.lineage = theirs.lineage;
  // A change of master is when a replica is written to the disk.
  if (isChange) own.saved = copyOf(own);
  return true;
}

/** The receiver is cut back and greets again until rows flow; 'cut' when they never do. */
function greet(master: Copy, receiver: Store): ResumePlan['kind'] {
  let plan = answer(master, receiver);
  for (let greeting = 1; greeting < mostGreetings && plan.kind === 'cut'; greeting += 1) {
    cutBack(receiver, plan.keep);
    plan = answer(master, receiver);
  }
  return plan.kind;
}

/** Nothing is compacted in the simulation: no mark stands in the way. */
function answer(master: Copy, receiver: Copy): ResumePlan {
  const cursor = headOf(receiver.chain);
  return planGreeting(
    {
      lineage: master.lineage,
      head: headOf(master.chain),
      mark: 0,
      digestAtCursor: digestAt(master.chain, cursor),
    },
    {
      version: 1,
      epoch: 0,
      lineage: lineageToWire(receiver.lineage),
      cursor,
      digest: digestAt(receiver.chain, cursor),
      mark: 0,
      archive: null,
    },
  );
}
