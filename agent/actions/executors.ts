/**
 * The table of executors: what each effect of the core does on this machine.
 *
 * Every executor returns at once. What takes time (steps, the fence) runs on and reports as an
 * event; what must be done before anything else may happen (persist) is done when it returns.
 * Exhaustive at compile time by `Executors` (agent/loop.ts).
 */

import type { LeaseMessage, NodeName } from '../../shared/protocol/lease-messages.ts';
import type { Executors } from '../loop.ts';
import type { Fence } from './fence.ts';
import type { Follow } from './follow.ts';
import type { Gate } from './gate.ts';
import type { RecordStore } from './record-store.ts';
import type { Steps } from './steps.ts';

export interface Actions {
  readonly records: RecordStore;
  readonly gate: Gate;
  readonly fence: Fence;
  readonly steps: Steps;
  readonly follow: Follow;
  /** Sends by every path at once; never throws, never waits. */
  readonly send: (to: NodeName, message: LeaseMessage) => void;
  /** Answers a command of a person. */
  readonly reply: (id: string, answer: { readonly ok: boolean; readonly text: string }) => void;
}

export const executorTable = (actions: Actions): Executors => ({
  persist_disk: ({ record }) => actions.records.saveDisk(record),
  persist_run: ({ record }) => actions.records.saveRun(record),
  send: ({ to, message }) => actions.send(to, message),
  open_gate: ({ epoch, deadline }) => actions.gate.open(epoch, deadline),
  close_gate: () => actions.gate.close(),
  fence: ({ reason }) => actions.fence.fence(reason),
  step: (effect) => actions.steps.order(effect),
  follow: (effect) => actions.follow.follow(effect),
  reply: ({ id, ok, text }) => actions.reply(id, { ok, text }),
});
