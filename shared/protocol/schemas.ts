/**
 * Schemas of the values that more than one message or record carries, with their bounds.
 *
 * Bounds are far above what a cluster of this size needs, and low enough that no message can fill
 * memory or the log. Unknown keys are dropped, so that a node of the next version is understood.
 */
import * as v from 'valibot';
import type { Ballot, MemberList, NodeName, Position } from './lease-messages.ts';

/** Most voters, and most positions, that a message may name. */
export const MOST_NODES = 32;
/** Longest free text in a message, characters. */
export const LONGEST_TEXT = 512;
/** Longest time that a lease message may name: far above any lease, milliseconds. */
const LONGEST_TIME = 3_600_000;

/** RFC 1123 label. */
export const nodeName: v.GenericSchema<NodeName> = v.pipe(
  v.string(),
  v.maxLength(63),
  v.regex(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/),
);
/** A start nonce: 16 hexadecimal characters. */
export const nonce = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
/** Counters, epochs, revisions: whole numbers that a double holds exactly. */
export const counter = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** A length of time in milliseconds, whole or not. */
export const timeSpan = v.pipe(v.number(), v.minValue(0), v.maxValue(LONGEST_TIME));
/** Any finite number; times by a wall clock may be years off, even before 1970. */
export const finite = v.pipe(v.number(), v.finite());
export const text = v.pipe(v.string(), v.maxLength(LONGEST_TEXT));
/** Pairs a question with its answers. */
export const request = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,128}$/));

/** Names without repetition: a name that stands twice would count twice in a majority. */
const nodeNames = v.pipe(
  v.array(nodeName),
  v.maxLength(MOST_NODES),
  v.check((names) => new Set(names).size === names.length, 'a name stands twice'),
);

export const ballot: v.GenericSchema<Ballot> = v.object({ counter, node: nodeName, nonce });

export const memberList: v.GenericSchema<MemberList> = v.object({
  epoch: counter,
  number: counter,
  members: nodeNames,
  previous: nodeNames,
  committed: v.boolean(),
});

export const position: v.GenericSchema<Position> = v.object({
  node: nodeName,
  lineage_epoch: counter,
  revision: counter,
  word: v.object({ nonce, sequence: counter }),
});

export const positions = v.pipe(v.array(position), v.maxLength(MOST_NODES));

/** For each voter the nonce that was counted (L5). */
export const nonces = v.pipe(
  v.record(nodeName, nonce),
  v.check((value) => Object.keys(value).length <= MOST_NODES, 'too many voters'),
);
