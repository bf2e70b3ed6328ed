/**
 * The virtual time line: a binary heap of what will happen, earliest first.
 *
 * Two entries of one moment come out in the order they went in, so a seed replays exactly. Entries
 * are pooled: a schedule makes some thousand of them and the garbage would cost more than the heap.
 * An entry taken out belongs to the caller until it is handed back by `recycle`.
 */
export interface QueueEntry {
  /** True time, milliseconds. */
  at: number;
  order: number;
  kind: number;
  /** Index of the machine it concerns; -1 for the whole world. */
  machine: number;
  /** Meaning depends on `kind`: a life, a version, an index. */
  token: number;
  payload: unknown;
}

export interface EventQueue {
  readonly size: number;
  push(at: number, kind: number, machine: number, token: number, payload: unknown): void;
  pop(): QueueEntry | null;
  recycle(entry: QueueEntry): void;
  clear(): void;
}

const earlier = (a: QueueEntry, b: QueueEntry): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);

/** Takes `entry` in at the end of the heap and moves it up to its place. */
function rise(heap: QueueEntry[], entry: QueueEntry): void {
  let index = heap.length;
  heap.push(entry);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent] as QueueEntry;
    if (!earlier(entry, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = entry;
}

/** Puts `entry` in the place of the first and moves it down to its place. */
function sink(heap: QueueEntry[], entry: QueueEntry): void {
  const { length } = heap;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= length) break;
    if (child + 1 < length && earlier(heap[child + 1] as QueueEntry, heap[child] as QueueEntry)) {
      child += 1;
    }
    const below = heap[child] as QueueEntry;
    if (!earlier(below, entry)) break;
    heap[index] = below;
    index = child;
  }
  heap[index] = entry;
}

export function eventQueue(): EventQueue {
  const heap: QueueEntry[] = [];
  const pool: QueueEntry[] = [];
  let order = 0;

  return {
    get size() {
      return heap.length;
    },
    push(at, kind, machine, token, payload) {
      order += 1;
      const entry = pool.pop();
      if (entry === undefined) {
        rise(heap, { at, order, kind, machine, token, payload });
        return;
      }
      entry.at = at;
      entry.order = order;
      entry.kind = kind;
      entry.machine = machine;
      entry.token = token;
      entry.payload = payload;
      rise(heap, entry);
    },
    pop() {
      const first = heap[0];
      if (first === undefined) return null;
      const last = heap.pop() as QueueEntry;
      if (heap.length > 0) sink(heap, last);
      return first;
    },
    recycle(entry) {
      entry.payload = null;
      pool.push(entry);
    },
    clear() {
      for (const entry of heap) {
        entry.payload = null;
        pool.push(entry);
      }
      heap.length = 0;
      order = 0;
    },
  };
}
