/**
 * One schema for each lease message. The types in lease-messages.ts are the contract; the
 * compiler holds that these schemas give exactly them.
 */
import * as v from 'valibot';
import type { LeaseMessage, LeaseMessageKind } from './lease-messages.ts';
import {
  ballot,
  counter,
  finite,
  memberList,
  nodeName,
  nonce,
  nonces,
  position,
  positions,
  request,
  text,
  timeSpan,
} from './schemas.ts';

/** Goes into an URL and a line of /etc/hosts: no white space, no control characters. */
const host = v.pipe(v.string(), v.regex(/^[0-9A-Za-z][0-9A-Za-z.:-]{0,252}$/));
const port = v.pipe(counter, v.minValue(1), v.maxValue(65_535));
const accepted = v.object({ ballot, owner: nodeName, epoch: counter, remaining_ms: timeSpan });

const schemas: {
  readonly [Kind in LeaseMessageKind]: v.GenericSchema<
    unknown,
    Extract<LeaseMessage, { kind: Kind }>
  >;
} = {
  prepare: v.object({ kind: v.literal('prepare'), ballot, position, list: memberList }),
  promise: v.object({
    kind: v.literal('promise'),
    ballot,
    nonce,
    accepted: v.nullable(accepted),
    highest_epoch: counter,
    epoch_owner: v.nullable(nodeName),
    list: memberList,
    // An agent of an earlier version does not tell it.
    newest_tenure: v.optional(counter, 0),
    positions,
    wall_ms: finite,
    wall_synchronised: v.boolean(),
  }),
  refuse: v.object({
    kind: v.literal('refuse'),
    ballot,
    round: v.nullable(counter),
    promised_counter: counter,
    highest_epoch: counter,
    epoch_owner: v.nullable(nodeName),
    list: v.nullable(memberList),
    retry_after_ms: timeSpan,
    position: v.nullable(position),
    reason: text,
  }),
  propose: v.object({
    kind: v.literal('propose'),
    ballot,
    round: counter,
    owner: nodeName,
    epoch: counter,
    duration_ms: timeSpan,
    nonces,
    list: memberList,
    positions,
    wall_ms: finite,
    wall_synchronised: v.boolean(),
  }),
  accept: v.object({
    kind: v.literal('accept'),
    ballot,
    round: counter,
    nonce,
    position: v.nullable(position),
    list: memberList,
  }),
  release: v.object({
    kind: v.literal('release'),
    ballot,
    epoch: counter,
    successor: v.nullable(nodeName),
    last_revision: v.nullable(counter),
  }),
  learn: v.object({ kind: v.literal('learn'), request }),
  learned: v.object({
    kind: v.literal('learned'),
    request,
    answer: v.picklist(['record', 'fresh']),
    highest_epoch: counter,
    epoch_owner: v.nullable(nodeName),
    list: v.nullable(memberList),
  }),
  announce: v.object({
    kind: v.literal('announce'),
    epoch: counter,
    master: nodeName,
    stage: v.picklist(['starting', 'serving', 'stopped']),
    api_host: host,
    api_port: port,
    first_revision: counter,
  }),
  membership: v.object({
    kind: v.literal('membership'),
    wish: v.picklist(['join', 'leave']),
    request,
  }),
};

/** The message in `value`, a parsed JSON value; null when it is none. Never throws. */
export const validateLeaseMessage = (value: unknown): LeaseMessage | null => {
  const kind = (value as { kind?: unknown } | null | undefined)?.kind;
  if (typeof kind !== 'string' || !Object.hasOwn(schemas, kind)) return null;
  // Stops at the first fault: nobody reads a list of a forger's faults.
  const result = v.safeParse(schemas[kind as LeaseMessageKind], value, { abortEarly: true });
  return result.success ? result.output : null;
};

/**
 * Whether a message speaks only for its sender, as the rules have it: ballots, leases and
 * positions are asked for, held and told by their own node. The MAC proves the sender; this
 * binds what it says to it, so that no node can ask or release in another's name (L1, L8, L14).
 */
export const speaksForItself = (from: string, message: LeaseMessage): boolean => {
  switch (message.kind) {
    case 'prepare':
      return message.ballot.node === from && message.position.node === from;
    case 'propose':
      return message.ballot.node === from && message.owner === from;
    case 'accept':
    case 'refuse':
      return message.position === null || message.position.node === from;
    case 'release':
      return message.ballot.node === from;
    case 'announce':
      return message.master === from;
    default:
      return true;
  }
};

/** Messages that only a node that may hold the lease ever sends. */
export const isCandidateKind = (kind: LeaseMessageKind): boolean =>
  kind === 'prepare' || kind === 'propose' || kind === 'release' || kind === 'announce';
