/**
 * Which write comes next: creates, updates and deletes over a bounded set of objects, never two at
 * once for one object, so that the number in an object says which write was the last to reach it.
 *
 * Objects are called `baton-lab-<n>`. Pure but for the random source that is passed in.
 */
import type { OperationKind } from './ledger.ts';

export interface PlannedWrite {
  readonly number: number;
  readonly kind: OperationKind;
  readonly key: string;
}

type KeyState = 'absent' | 'present';

/** What came of a write: done, refused because the object is (not) there, or nobody knows. */
export type WriteOutcome = 'done' | 'exists' | 'missing' | 'unknown';

export const KEY_PREFIX = 'baton-lab-';
const DELETE_SHARE = 0.15;

export class WritePlan {
  readonly #random: () => number;
  readonly #idle: string[];
  readonly #states = new Map<string, KeyState>();
  #number = 0;

  /** `keys` bounds the live objects; more than the writes under way at once. */
  constructor(keys: number, random: () => number) {
    this.#random = random;
    this.#idle = Array.from({ length: keys }, (_, index) => `${KEY_PREFIX}${index}`);
  }

  /** Null while every key has a write under way. */
  next(): PlannedWrite | null {
    const index = Math.floor(this.#random() * this.#idle.length);
    const [key] = this.#idle.splice(index, 1);
    if (key === undefined) return null;
    this.#number += 1;
    const present = this.#states.get(key) === 'present';
    const kind = !present ? 'create' : this.#random() < DELETE_SHARE ? 'delete' : 'update';
    return { number: this.#number, kind, key };
  }

  /** The key is free again. After `unknown` the next answer tells what is there. */
  settle({ kind, key }: PlannedWrite, outcome: WriteOutcome): void {
    if (outcome === 'done') this.#states.set(key, kind === 'delete' ? 'absent' : 'present');
    else if (outcome === 'exists') this.#states.set(key, 'present');
    else if (outcome === 'missing') this.#states.set(key, 'absent');
    this.#idle.push(key);
  }
}
