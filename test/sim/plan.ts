/**
 * A schedule before it is run: the cluster, its timing, how it starts, and every fault with its
 * moment. Plain data made from one seed, so that faults can be left out one by one (shrink.ts) and
 * printed (trace.ts). Made by plan-maker.ts.
 */

import type { CoreConfig, NodeEntry, Step } from '../../agent/core/types.ts';
import type { LeaseMessageKind } from '../../shared/protocol/lease-messages.ts';
import type { FaultClass, FaultKind } from './fault-kinds.ts';

/** What a schedule is mainly about; every profile mixes in everything else a little. */
export type ProfileName =
  | 'calm'
  | 'mixed'
  | 'crashes'
  | 'membership'
  | 'wipes'
  | 'late'
  | 'cold'
  | 'handover'
  | 'fencing'
  | 'disk'
  | 'pair'
  | 'duel'
  | 'duel-wipes'
  | 'duel-lists'
  | 'aimed';

export interface PlannedFault {
  /** Its place in the whole plan; stays the same when others are left out. */
  readonly index: number;
  readonly kind: FaultKind;
  /** True time in ms, or the delay after the trigger. */
  readonly at: number;
  /** Waits for the first step or message of this kind after `armedFrom`. */
  readonly trigger: Step | LeaseMessageKind | null;
  readonly armedFrom: number;
  /** Only what this machine does sets it off, and the target stays as planned; null: anybody. */
  readonly by: number | null;
  /** Index of the fault that has to strike first: `at` counts, and it is armed, from then on. */
  readonly after: number | null;
  /** The kind of message that `hold` and `echo` are about. */
  readonly message: LeaseMessageKind | null;
  /** Who is hit: the role at that moment when there is one, else the machine. */
  readonly role: 'master' | 'candidate' | null;
  readonly machine: number;
  readonly duration: number;
  /** 0…1: how bad. */
  readonly strength: number;
  /** Bit i set: machine i is on this side (partition), or is a sender (hold, echo). */
  readonly sides: number;
}

/** How one machine begins. */
export interface StartOfMachine {
  /** True time at which it has power; Infinity for never. */
  readonly powerAt: number;
  /** How far its boot clock is wrong: 1.004 runs 0.4 % fast. */
  readonly rate: number;
  /** Revisions that its copy lacks of the newest one; null: it has no copy. */
  readonly behind: number | null;
  readonly cleanStop: boolean;
}

export interface Plan {
  readonly seed: number;
  readonly profile: ProfileName;
  readonly class: FaultClass;
  /** True time at which the schedule ends, ms. */
  readonly length: number;
  readonly nodes: readonly NodeEntry[];
  /** One configuration per machine, in the order of `nodes`. */
  readonly configs: readonly CoreConfig[];
  /** Machines that run a coordinator. */
  readonly coordinators: readonly number[];
  readonly dataPathGate: boolean;
  /** Epoch and owner that the disks know; 0 for machines that have never been used. */
  readonly epoch: number;
  readonly owner: number;
  readonly head: number;
  readonly starts: readonly StartOfMachine[];
  readonly streamInterval: number;
  /** Part of the messages whose further copies (by the other paths) are delivered too. */
  readonly copies: number;
  readonly faults: readonly PlannedFault[];
  /** A network that is bad all the time; null for a usual one. */
  readonly storm: Storm | null;
  /** Factor on the duration of the steps of a promotion. */
  readonly pace: number;
}

/** Messages outlive leases, silences and reboots: what the rules about ballots are for. */
export interface Storm {
  /** Part of the messages that take up to `slowest` ms. */
  readonly slow: number;
  readonly slowest: number;
  readonly loss: number;
  readonly repeated: number;
  /** The first and the last machine never reach each other directly. */
  readonly cut: boolean;
}
