/**
 * Readers of JSON values for the lease core's own records: a value of the right shape and within
 * bounds, or `undefined`. JSON has no `undefined`, so it cannot be mistaken for a value.
 *
 * By hand because the core imports no package; messages are validated in shared/protocol/.
 * Unknown keys are dropped, so that a record of a later version with more keys can be read.
 */
import type { Ballot, MemberList, NodeName } from '../../shared/protocol/lease-messages.ts';
import { type Instant, instant } from '../../shared/time/duration.ts';

export type Reader<Value> = (value: unknown) => Value | undefined;

/** More names than this are in no cluster; the same bound as for messages. */
const mostNames = 32;
/** Longest free word, characters. */
const longestWord = 256;

/** An object with these fields, each read; whatever else it has is dropped. */
export const fields =
  <Value extends object>(
    readers: { readonly [Key in keyof Value]-?: Reader<Value[Key]> },
  ): Reader<Value> =>
  (value) => {
    if (!isPlain(value)) return undefined;
    const read: Partial<Value> = {};
    for (const key of Object.keys(readers) as (keyof Value & string)[]) {
      // An inherited `constructor` is no field.
      const found = Object.hasOwn(value, key) ? readers[key](value[key]) : undefined;
      if (found === undefined) return undefined;
      read[key] = found;
    }
    return read as Value;
  };

export const nullable =
  <Value>(reader: Reader<Value>): Reader<Value | null> =>
  (value) =>
    value === null ? null : reader(value);

export const oneOf =
  <Word extends string | number>(...words: readonly Word[]): Reader<Word> =>
  (value) =>
    words.find((word) => word === value);

const matching =
  (pattern: RegExp, longest: number): Reader<string> =>
  (value) =>
    typeof value === 'string' && value.length <= longest && pattern.test(value) ? value : undefined;

export const flag: Reader<boolean> = (value) => (typeof value === 'boolean' ? value : undefined);

/** Epochs, revisions, rounds: whole, not negative, exact in a double. */
export const counter: Reader<number> = (value) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** A wall clock may be years off, even before 1970. */
export const finite: Reader<number> = (value) =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

/** A point on the boot clock, milliseconds, whole or not. */
export const bootInstant: Reader<Instant> = (value) => {
  const read = finite(value);
  return read === undefined || read < 0 ? undefined : instant(read);
};

/** RFC 1123 label. */
export const nodeName: Reader<NodeName> = matching(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/, 63);
/** A start nonce: 16 hexadecimal characters. */
export const nonce: Reader<string> = matching(/^[0-9a-f]{16}$/, 16);
/** A boot id, a command's id: anything printable without white space. */
export const word: Reader<string> = matching(/^[\x21-\x7e]+$/, longestWord);

/** Names without repetition: a name that stands twice would count twice in a majority. */
export const nodeNames: Reader<readonly NodeName[]> = (value) => {
  if (!Array.isArray(value) || value.length > mostNames) return undefined;
  if (value.some((name) => nodeName(name) === undefined)) return undefined;
  return new Set(value).size === value.length ? (value as NodeName[]) : undefined;
};

/** For each node one value. */
export const byNode =
  <Value>(reader: Reader<Value>): Reader<Readonly<Record<NodeName, Value>>> =>
  (value) => {
    if (!isPlain(value)) return undefined;
    const entries = Object.entries(value);
    if (entries.length > mostNames) return undefined;
    const read: Record<NodeName, Value> = {};
    for (const [name, entry] of entries) {
      const found = reader(entry);
      if (nodeName(name) === undefined || found === undefined) return undefined;
      read[name] = found;
    }
    return read;
  };

export const ballot = fields<Ballot>({ counter, node: nodeName, nonce });

export const memberList = fields<MemberList>({
  epoch: counter,
  number: counter,
  members: nodeNames,
  previous: nodeNames,
  committed: flag,
});

/** Any JSON object that is no array. */
export const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
