/**
 * What the API said yes to, and what of it is gone.
 *
 * The writer numbers its operations and writes the number into the object, so that what a server
 * holds of a key tells which operation was the last to reach it. An acknowledged operation is lost
 * when the server holds an older state of its key. An operation whose answer never came may have
 * happened or not; neither is a loss.
 *
 * Loss is counted per failover: what the former server acknowledged less than 250 ms before its
 * end, or after the fault that cut it off, is `recent` and reported. Everything else is `old`, and
 * none of it may be lost: what it took before, and whatever another node took.
 */

export type OperationKind = 'create' | 'update' | 'delete';

export interface Operation {
  readonly number: number;
  readonly kind: OperationKind;
  readonly key: string;
  /** Wall clock in milliseconds when the answer came; null while unknown. */
  readonly acknowledgedMs: number | null;
  /** Node that acknowledged it. */
  readonly node: string | null;
  /** resourceVersion in the answer; null for deletes. */
  readonly revision: number | null;
}

/** Key → number of the last operation that its object shows; a missing key is absent. */
export type ServerState = ReadonlyMap<string, number>;

/** A replica may be so far behind. */
export const RECENT_MS = 250;

export interface Losses {
  readonly old: readonly Operation[];
  readonly recent: readonly Operation[];
  /**
   * Age of the oldest acknowledged operation that is gone, at `endMs`, or at the last one of the
   * other node that took it; 0 when none is gone, infinite where nothing could end a server.
   */
  readonly atRiskMs: number;
}

/** Where a fault excuses other losses than a server's death does. */
export interface Excuse {
  /** Younger than this at `endMs` is `recent`. */
  readonly recentMs?: number;
  /** From then on a server served again, maybe the same node: what it took must be there. */
  readonly againMs?: number;
}

export class Ledger {
  readonly #byKey = new Map<string, Operation[]>();
  readonly #reported = new Set<number>();
  /** Excused, should they be gone: a newer write of the same key hid whether they are. */
  readonly #hidden = new Set<number>();
  #acknowledged = 0;

  /** Call before the request is sent: from then on it may have happened. */
  begin(number: number, kind: OperationKind, key: string): void {
    const operation = { number, kind, key, acknowledgedMs: null, node: null, revision: null };
    const list = this.#byKey.get(key);
    if (list === undefined) this.#byKey.set(key, [operation]);
    else list.push(operation);
  }

  acknowledge(
    number: number,
    key: string,
    of: { ms: number; node: string; revision: number | null },
  ) {
    const list = this.#byKey.get(key) ?? [];
    const index = list.findIndex((one) => one.number === number);
    const operation = list[index];
    if (operation === undefined) return;
    const { ms, node, revision } = of;
    list[index] = { ...operation, acknowledgedMs: ms, node, revision };
    this.#acknowledged += 1;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** All acknowledged operations, by number. */
  operations(): Operation[] {
    const all = [...this.#byKey.values()].flat().filter((one) => one.acknowledgedMs !== null);
    return all.sort((a, b) => a.number - b.number);
  }

  /** Acknowledged operations that `state` shows to be gone, by number. */
  missing(state: ServerState): Operation[] {
    const gone = [...this.#byKey].flatMap(([key, list]) => missingOf(list, state.get(key)));
    return gone.sort((a, b) => a.number - b.number);
  }

  /**
   * Losses that no earlier call has returned. `endMs` is the last moment at which the former
   * server could acknowledge anything (its end, or the fault that cut it off); infinite: nothing
   * may be lost. The former server is the node that took the newest operation until then.
   */
  newLosses(state: ServerState, endMs: number, excuse: Excuse = {}): Losses {
    const { recentMs = RECENT_MS, againMs = Number.POSITIVE_INFINITY } = excuse;
    const gone = this.missing(state).filter((one) => !this.#reported.has(one.number));
    for (const one of gone) this.#reported.add(one.number);
    const former = this.#newest((one) => tookAt(one) <= endMs)?.node;
    const ofFormer = (one: Operation) => one.node === former && tookAt(one) < againMs;
    const age = (one: Operation): number => {
      if (endMs === Number.POSITIVE_INFINITY || ofFormer(one)) return endMs - tookAt(one);
      return tookAt(this.#newest(({ node }) => node === one.node) ?? one) - tookAt(one);
    };
    const isExcused = (one: Operation) => ofFormer(one) && age(one) < recentMs;
    const isRecent = (one: Operation) => isExcused(one) || this.#hidden.has(one.number);
    for (const one of this.operations()) {
      if (isExcused(one) && state.get(one.key) !== one.number) this.#hidden.add(one.number);
    }
    return {
      old: gone.filter((one) => !isRecent(one)),
      recent: gone.filter(isRecent),
      atRiskMs: Math.max(0, ...gone.map(age)),
    };
  }

  /** The acknowledged operation that was answered last, of those that `wanted` chooses. */
  #newest(wanted: (one: Operation) => boolean): Operation | undefined {
    return this.operations()
      .filter(wanted)
      .reduce<Operation | undefined>(
        (last, one) => (last === undefined || tookAt(one) > tookAt(last) ? one : last),
        undefined,
      );
  }
}

/** When an operation that was acknowledged was. */
const tookAt = (one: Operation): number => one.acknowledgedMs ?? Number.NaN;

/** The acknowledged operations of one key that a server with `shown` as its last one has not. */
const missingOf = (list: readonly Operation[], shown: number | undefined): Operation[] => {
  const acknowledged = list.filter((one) => one.acknowledgedMs !== null);
  const newest = acknowledged.at(-1);
  if (newest === undefined) return [];
  if (shown !== undefined) return acknowledged.filter((one) => one.number > shown);
  // Absent: right after a delete, whether its answer came or not; otherwise everything since the
  // last acknowledged delete is gone.
  const lastDelete = list.findLast((one) => one.kind === 'delete');
  if (lastDelete !== undefined && lastDelete.number >= newest.number) return [];
  return acknowledged.filter((one) => one.number > (lastDelete?.number ?? -1));
};
